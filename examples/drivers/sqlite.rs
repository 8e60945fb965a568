//! rusqlite.

use rusqlite::{Connection, Error};
use xray_core::{Sql, SqlFailure};

/// Describes the database once, next to the connection.
pub fn database(path: &str) -> Sql {
    Sql::to("sqlite", "localhost", None, path, None).driver_version("rusqlite 0.39").on_error(|error: &Error| {
        match error {
            Error::QueryReturnedNoRows => SqlFailure::none(),
            Error::SqliteFailure(failure, _) => SqlFailure::sqlite(failure.extended_code),
            _ => SqlFailure::fault(),
        }
    })
}

/// Records each call where it is made.
///
/// # Errors
///
/// Returns the errors of the driver.
pub fn price(db: &Sql, connection: &Connection, item: i32) -> Result<i32, Error> {
    let query = "SELECT price FROM items WHERE id = ?1";
    db.capture(query, || connection.query_row(query, [item], |row| row.get(0)))
}

/// Records a query until its last row is read.
///
/// # Errors
///
/// Returns the errors of the driver.
pub fn total(db: &Sql, connection: &Connection) -> Result<i32, Error> {
    let query = "SELECT price FROM items";
    db.capture(query, || {
        let mut statement = connection.prepare(query)?;
        statement.query_map([], |row| row.get::<_, i32>(0))?.sum()
    })
}
