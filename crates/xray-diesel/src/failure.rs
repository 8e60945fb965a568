//! How diesel's errors are recorded.

use diesel::result::{ConnectionError, DatabaseErrorKind, Error};
use xray_core::SqlFailure;

/// Returns the flag of a query's error, and the kind that diesel assigned to it.
pub(crate) fn of_query(error: &Error) -> SqlFailure {
    match error {
        Error::NotFound | Error::RollbackTransaction => SqlFailure::none(),
        Error::DatabaseError(kind, _) => of_kind(kind),
        Error::InvalidCString(_) => SqlFailure::fault().with_code("InvalidCString"),
        Error::QueryBuilderError(_) => SqlFailure::fault().with_code("QueryBuilderError"),
        Error::DeserializationError(_) => SqlFailure::fault().with_code("DeserializationError"),
        Error::SerializationError(_) => SqlFailure::fault().with_code("SerializationError"),
        Error::RollbackErrorOnCommit { .. } => SqlFailure::fault().with_code("RollbackErrorOnCommit"),
        Error::AlreadyInTransaction => SqlFailure::fault().with_code("AlreadyInTransaction"),
        Error::NotInTransaction => SqlFailure::fault().with_code("NotInTransaction"),
        Error::BrokenTransactionManager => SqlFailure::fault().with_code("BrokenTransactionManager"),
        _ => SqlFailure::fault(),
    }
}

fn of_kind(kind: &DatabaseErrorKind) -> SqlFailure {
    match kind {
        DatabaseErrorKind::UniqueViolation => SqlFailure::error().with_code("UniqueViolation"),
        DatabaseErrorKind::ForeignKeyViolation => SqlFailure::error().with_code("ForeignKeyViolation"),
        DatabaseErrorKind::NotNullViolation => SqlFailure::error().with_code("NotNullViolation"),
        DatabaseErrorKind::CheckViolation => SqlFailure::error().with_code("CheckViolation"),
        DatabaseErrorKind::RestrictViolation => SqlFailure::error().with_code("RestrictViolation"),
        DatabaseErrorKind::ExclusionViolation => SqlFailure::error().with_code("ExclusionViolation"),
        DatabaseErrorKind::SerializationFailure => SqlFailure::fault().with_code("SerializationFailure"),
        DatabaseErrorKind::ReadOnlyTransaction => SqlFailure::fault().with_code("ReadOnlyTransaction"),
        DatabaseErrorKind::ClosedConnection => SqlFailure::fault().with_code("ClosedConnection"),
        DatabaseErrorKind::UnableToSendCommand => SqlFailure::fault().with_code("UnableToSendCommand"),
        _ => SqlFailure::fault().with_code("DatabaseError"),
    }
}

/// Returns how a connection that was not established is recorded.
pub(crate) fn of_connection(error: &ConnectionError) -> SqlFailure {
    let code = match error {
        ConnectionError::InvalidCString(_) => "InvalidCString",
        ConnectionError::BadConnection(_) => "BadConnection",
        ConnectionError::InvalidConnectionUrl(_) => "InvalidConnectionUrl",
        ConnectionError::CouldntSetupConfiguration(_) => "CouldntSetupConfiguration",
        _ => "",
    };
    SqlFailure::fault().with_code(code)
}
