//! Records the calls of one database.

use sea_orm::{ConnectOptions, DbBackend, DbErr};
use xray_core::{Sql, SqlCall};

use crate::failure;

/// Describes the database. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Tracer {
    plain: Sql,
    prepared: Sql,
}

impl Tracer {
    pub(crate) fn new(database: Sql, backend: DbBackend) -> Tracer {
        let plain = database.driver_version("sea-orm 2").on_error(move |error: &DbErr| failure::of(error, backend));
        Tracer { prepared: plain.clone().prepared(), plain }
    }

    /// Describes the database that these options connect to. Its password is dropped.
    pub(crate) fn database(options: &ConnectOptions) -> Sql {
        Sql::from_url(options.get_url())
    }

    /// Begins a query that is prepared.
    pub(crate) fn begin(&self, text: &str) -> SqlCall {
        self.prepared.begin(text)
    }

    /// Begins a query that is not prepared.
    pub(crate) fn begin_unprepared(&self, text: &str) -> SqlCall {
        self.plain.begin(text)
    }

    /// Begins an operation on a transaction.
    pub(crate) fn begin_operation(&self, operation: &str) -> SqlCall {
        self.plain.begin(operation).with_operation(operation)
    }
}

/// Ends a call with its result, and returns that.
pub(crate) fn end<T>(call: SqlCall, result: Result<T, DbErr>) -> Result<T, DbErr> {
    call.record(&result);
    call.close();
    result
}
