//! Records the calls of one pool or connection.

use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use sqlx_core::database::Database;
use sqlx_core::error::Error;
use xray_core::context::current_for_call;
use xray_core::{Entity, Sql, SqlCall, SqlFailure, Subsegment, try_current};

use crate::driver::{Driver, Options};

/// The default of [`Pool::with_min_wait`](crate::Pool::with_min_wait).
const MIN_WAIT: Duration = Duration::from_millis(1);

/// Records the calls of one pool or connection. Clones share what is known about the database.
pub(crate) struct Tracer {
    described: Described,
    /// The same with the version of the database, once a connection is known.
    versioned: OnceLock<Described>,
    pub(crate) min_wait: Duration,
}

/// The two descriptions of a query.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) plain: Sql,
    pub(crate) prepared: Sql,
}

impl Tracer {
    pub(crate) fn of<DB: Driver>(options: &Options<DB>) -> Tracer {
        Tracer {
            described: Described::of(DB::describe(options).driver_version("sqlx 0.9")),
            versioned: OnceLock::new(),
            min_wait: MIN_WAIT,
        }
    }

    pub(crate) fn with_database_version(&self, version: String) -> Tracer {
        let described = Described::of(self.described.plain.clone().database_version(version));
        Tracer { versioned: OnceLock::from(described.clone()), described, min_wait: self.min_wait }
    }

    pub(crate) fn with_min_wait(&self, min_wait: Duration) -> Tracer {
        Tracer { described: self.described.clone(), versioned: self.versioned.clone(), min_wait }
    }

    /// Returns the entity below which a call is recorded. `None` if the call is not recorded. If there is no current entity,
    /// the context-missing strategy applies.
    pub(crate) fn parent(&self) -> Option<Entity> {
        let parent = try_current().unwrap_or_else(|| current_for_call(self.described.plain.name()));
        parent.is_sampled().then_some(parent)
    }

    /// Returns what is recorded of the queries on a connection.
    pub(crate) fn described<DB: Driver>(&self, connection: &DB::Connection) -> &Described {
        self.versioned.get_or_init(|| match DB::version(connection) {
            Some(version) => Described::of(self.described.plain.clone().database_version(version)),
            None => self.described.clone(),
        })
    }

    /// Begins a call.
    pub(crate) fn begin<DB: Driver>(&self, parent: &Entity, connection: &DB::Connection, text: &str) -> SqlCall {
        self.described::<DB>(connection).plain.begin_below(parent, text)
    }

    /// Begins a call that is not a query of the application, and is named by its operation.
    pub(crate) fn begin_operation<DB: Driver>(
        &self,
        parent: &Entity,
        connection: &DB::Connection,
        operation: &str,
        text: &str,
    ) -> SqlCall {
        self.begin::<DB>(parent, connection, text).with_operation(operation)
    }

    /// Begins a call whose connection is not known yet.
    pub(crate) fn begin_unconnected(&self, parent: &Entity, operation: &str, text: &str) -> SqlCall {
        let described = self.versioned.get().unwrap_or(&self.described);
        described.plain.begin_below(parent, text).with_operation(operation)
    }

    /// Waits for a connection. The wait is recorded if it is long or fails.
    pub(crate) async fn wait<T, DB: Driver>(
        &self,
        parent: &Entity,
        connection: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut wait = Wait { tracer: self, parent, start: parent.now(), is_over: false };
        let result = connection.await;
        wait.end::<DB>(result.as_ref().err());
        result
    }
}

impl Described {
    fn of(plain: Sql) -> Described {
        Described { prepared: plain.clone().prepared(), plain }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("name", &self.described.plain.name()).finish_non_exhaustive()
    }
}

/// A wait for a connection, which may be cancelled.
struct Wait<'a> {
    tracer: &'a Tracer,
    parent: &'a Entity,
    start: SystemTime,
    is_over: bool,
}

impl Wait<'_> {
    /// Begins the subsegment of the wait.
    fn recorded(&self) -> Subsegment {
        self.parent.subsegment_at(format!("acquire {}", self.tracer.described.plain.name()), self.start)
    }

    fn end<DB: Driver>(&mut self, error: Option<&Error>) {
        self.is_over = true;
        match error {
            None => self.end_long(false),
            Some(error @ (Error::PoolTimedOut | Error::PoolClosed)) => {
                let waited = self.recorded();
                waited.fault(xray_core::Exception::from(error).with_kind(code(error)));
                waited.close();
            }
            // The database did not accept a connection.
            Some(error) => {
                let plain = &self.tracer.described.plain;
                let connecting = plain.begin_below_at(self.parent, "", self.start).with_operation("CONNECT");
                connecting.fail(&failure::<DB>(error), error);
                connecting.close();
            }
        }
    }

    fn end_long(&self, is_cancelled: bool) {
        let waited = self.parent.now().duration_since(self.start).unwrap_or_default();
        if waited >= self.tracer.min_wait {
            let waited = self.recorded();
            if is_cancelled {
                waited.metadata_in("xray", "cancelled", &true);
            }
            waited.close();
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.end_long(true);
        }
    }
}

/// Returns the current entity, if it is recorded. Work that is not a call is left out quietly if there is none.
pub(crate) fn current_parent() -> Option<Entity> {
    try_current().filter(Entity::is_sampled)
}

/// Records the error of a result on its call, and closes the call.
pub(crate) fn end<T, DB: Driver>(call: SqlCall, result: &Result<T, Error>) {
    if let Err(error) = result {
        call.fail(&failure::<DB>(error), error);
    }
    call.close();
}

/// Returns the flag and the code of an error.
pub(crate) fn failure<DB: Driver>(error: &Error) -> SqlFailure {
    match error {
        Error::RowNotFound => SqlFailure::none(),
        Error::Database(error) => DB::failure(&**error),
        error => SqlFailure::fault().with_code(code(error)),
    }
}

/// Returns the name of an error's variant.
fn code(error: &Error) -> &'static str {
    match error {
        Error::Configuration(_) => "Configuration",
        Error::Io(_) => "Io",
        Error::Tls(_) => "Tls",
        Error::Protocol(_) => "Protocol",
        Error::TypeNotFound { .. } => "TypeNotFound",
        Error::Encode(_) => "Encode",
        Error::Decode(_) => "Decode",
        Error::PoolTimedOut => "PoolTimedOut",
        Error::PoolClosed => "PoolClosed",
        Error::WorkerCrashed => "WorkerCrashed",
        _ => "",
    }
}

/// Returns the operation that begins a transaction, or a savepoint within one.
pub(crate) fn begin_operation(depth: usize) -> &'static str {
    if depth == 0 { "BEGIN" } else { "SAVEPOINT" }
}

pub(crate) fn commit_operation(depth: usize) -> &'static str {
    if depth <= 1 { "COMMIT" } else { "RELEASE SAVEPOINT" }
}

pub(crate) fn rollback_operation(depth: usize) -> &'static str {
    if depth <= 1 { "ROLLBACK" } else { "ROLLBACK TO SAVEPOINT" }
}

/// Returns the depth of the transactions on a connection.
pub(crate) fn depth<DB: Database>(connection: &DB::Connection) -> usize {
    <DB::TransactionManager as sqlx_core::transaction::TransactionManager>::get_transaction_depth(connection)
}
