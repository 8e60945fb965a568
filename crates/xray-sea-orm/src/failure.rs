//! How SeaORM's errors are recorded.

use sea_orm::sqlx::Error;
use sea_orm::sqlx::error::ErrorKind;
use sea_orm::{DbBackend, DbErr, RuntimeErr};
use xray_core::SqlFailure;

/// Returns the flag and the code of an error.
pub(crate) fn of(error: &DbErr, backend: DbBackend) -> SqlFailure {
    match error {
        DbErr::RecordNotFound(_) | DbErr::RecordNotInserted | DbErr::RecordNotUpdated => SqlFailure::none(),
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => of_sqlx(error, backend),
        DbErr::ConnectionAcquire(_) => SqlFailure::fault().with_code("ConnectionAcquire"),
        _ => SqlFailure::fault(),
    }
}

fn of_sqlx(error: &Error, backend: DbBackend) -> SqlFailure {
    let database = match error {
        Error::RowNotFound => return SqlFailure::none(),
        Error::Database(database) => database,
        _ => return SqlFailure::fault(),
    };
    let code = database.code().unwrap_or_default();
    let failure = match backend {
        DbBackend::Sqlite => code.parse().map_or_else(|_| SqlFailure::fault(), SqlFailure::sqlite),
        _ => SqlFailure::sqlstate(&code),
    };
    match database.kind() {
        ErrorKind::Other => failure,
        // MySQL has constraints whose SQLSTATE does not say so.
        _ => SqlFailure::error().with_code(failure.code().to_owned()),
    }
}
