//! tokio-postgres.

use tokio_postgres::{Client, Error};
use xray_core::{Sql, SqlFailure};

/// Describes the database once, next to the connection.
pub fn database(url: &str) -> Sql {
    Sql::from_url(url).driver_version("tokio-postgres 0.7").prepared().on_error(|error: &Error| match error.code() {
        Some(state) => SqlFailure::sqlstate(state.code()),
        None => SqlFailure::fault(),
    })
}

/// Records each call where it is made.
///
/// # Errors
///
/// Returns the errors of the driver.
pub async fn price(db: &Sql, client: &Client, item: i32) -> Result<i32, Error> {
    let query = "SELECT price FROM items WHERE id = $1";
    let row = db.capture_async(query, client.query_one(query, &[&item])).await?;
    row.try_get(0)
}
