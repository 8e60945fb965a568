//! Events of a connection, recorded as calls.

use std::fmt;
use std::num::NonZeroU32;

use diesel::connection::{DebugQuery, Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::result::{ConnectionError, Error};
use xray_core::context::current_for_call;
use xray_core::{Entity, Exception, Sql, SqlCall, try_current};

use crate::open_calls::OpenCalls;
use crate::{database, failure, text};

/// Records the calls of every connection that is opened later.
///
/// Call it once, at the start of the program. It replaces diesel's default instrumentation, also one of your own: see
/// [`XRayInstrumentation::record`] to keep that. Calling this again has no further effect.
///
/// ```
/// xray_diesel::install()?;
/// # Ok::<(), diesel::result::Error>(())
/// ```
///
/// # Errors
///
/// Returns an error if a thread panicked while it set diesel's default instrumentation.
pub fn install() -> diesel::QueryResult<()> {
    set_default_instrumentation(|| Some(Box::new(XRayInstrumentation::new())))
}

/// Records the calls of one connection.
///
/// [`install`] gives one to each connection. For a single connection, or one that another crate has opened:
///
/// ```no_run
/// use diesel::Connection;
/// use xray_core::Sql;
/// use xray_diesel::XRayInstrumentation;
///
/// # fn of(mut connection: impl Connection) {
/// let database = Sql::from_url("postgres://app:secret@db.example.com/shop"); // the password is not kept
/// connection.set_instrumentation(XRayInstrumentation::of(database));
/// # }
/// ```
pub struct XRayInstrumentation {
    sql: Sql,
    connecting: Option<Connecting>,
    /// What the next query does, if it is not a query of the application.
    operation: Option<&'static str>,
    calls: OpenCalls,
}

/// A connection that is being opened.
struct Connecting {
    /// `None` outside a request, where pools open connections.
    call: Option<SqlCall>,
}

impl XRayInstrumentation {
    /// Creates an instrumentation that learns the database when the connection is opened.
    pub fn new() -> XRayInstrumentation {
        XRayInstrumentation::of(Sql::default())
    }

    /// Creates an instrumentation for a connection to this database.
    pub fn of(database: Sql) -> XRayInstrumentation {
        XRayInstrumentation { sql: database, connecting: None, operation: None, calls: OpenCalls::new() }
    }

    /// Records an event, for instrumentation that does other work as well.
    ///
    /// ```
    /// use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
    /// use xray_diesel::XRayInstrumentation;
    ///
    /// #[derive(Default)]
    /// struct Counted {
    ///     xray: XRayInstrumentation,
    ///     queries: u64,
    /// }
    ///
    /// impl Instrumentation for Counted {
    ///     fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
    ///         self.xray.record(&event);
    ///         self.queries += u64::from(matches!(event, InstrumentationEvent::StartQuery { .. }));
    ///     }
    /// }
    ///
    /// set_default_instrumentation(|| Some(Box::new(Counted::default())))?;
    /// # Ok::<(), diesel::result::Error>(())
    /// ```
    pub fn record(&mut self, event: &InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => self.begin_connect(url),
            InstrumentationEvent::FinishEstablishConnection { error, .. } => self.end_connect(*error),
            InstrumentationEvent::StartQuery { query, .. } => self.begin_query(*query),
            InstrumentationEvent::CacheQuery { .. } => self.mark_prepared(),
            InstrumentationEvent::FinishQuery { query, error, .. } => self.end_query(*query, *error),
            InstrumentationEvent::BeginTransaction { depth, .. } => {
                self.operation = Some(at_depth(*depth, "BEGIN", "SAVEPOINT"));
            }
            InstrumentationEvent::CommitTransaction { depth, .. } => {
                self.operation = Some(at_depth(*depth, "COMMIT", "RELEASE SAVEPOINT"));
            }
            InstrumentationEvent::RollbackTransaction { depth, .. } => {
                self.operation = Some(at_depth(*depth, "ROLLBACK", "ROLLBACK TO SAVEPOINT"));
            }
            _ => {}
        }
    }

    fn begin_connect(&mut self, url: &str) {
        self.sql = database::of(url);
        let parent = try_current().filter(Entity::is_sampled);
        let call = parent.map(|parent| self.sql.begin_below(&parent, "").with_operation("CONNECT"));
        self.connecting = Some(Connecting { call });
    }

    fn end_connect(&mut self, error: Option<&ConnectionError>) {
        let Some(call) = self.connecting.take().and_then(|mut connecting| connecting.call.take()) else { return };
        if let Some(error) = error {
            call.fail(&failure::of_connection(error), error);
        }
        call.close();
    }

    fn begin_query(&mut self, query: &dyn DebugQuery) {
        let operation = self.operation.take();
        if self.connecting.is_some() {
            return; // diesel-async configures the session; this is part of opening the connection
        }
        let parent = current_for_call(self.sql.name());
        let call = self.sql.begin_below(&parent, "");
        let call = match operation {
            Some(operation) => call.with_operation(operation),
            None => call,
        };
        let text = call.collects_query().then(|| text::of(query)).flatten();
        if let (Some(subsegment), Some(text)) = (call.subsegment(), &text) {
            self.sql.describe(subsegment, text);
        }
        self.calls.begin(call, parent, text);
    }

    /// Marks the call whose query is being prepared.
    fn mark_prepared(&mut self) {
        if let Some(open) = self.calls.newest()
            && let Some(subsegment) = open.call.subsegment()
        {
            self.sql.clone().prepared().describe(subsegment, open.text.as_deref().unwrap_or_default());
        }
    }

    fn end_query(&mut self, query: &dyn DebugQuery, error: Option<&Error>) {
        if self.connecting.is_some() {
            return;
        }
        let Some(open) = self.calls.end(|| text::of(query)) else { return };
        if let Some(error) = error {
            open.call.fail(&failure::of_query(error), error);
        }
        open.call.close();
    }
}

/// Returns the operation on a transaction, or on a savepoint within one.
fn at_depth(depth: NonZeroU32, transaction: &'static str, savepoint: &'static str) -> &'static str {
    if depth.get() == 1 { transaction } else { savepoint }
}

impl Instrumentation for XRayInstrumentation {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        self.record(&event);
    }
}

impl Default for XRayInstrumentation {
    fn default() -> XRayInstrumentation {
        XRayInstrumentation::new()
    }
}

impl fmt::Debug for XRayInstrumentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayInstrumentation").field("database", &self.sql).finish_non_exhaustive()
    }
}

/// Records a connection that was not opened: diesel-async reports neither an error nor that the caller has left.
impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let unopened = Exception::new("BadConnection", "the connection was not opened; diesel did not report why");
            call.fail(&xray_core::SqlFailure::fault(), &unopened);
            call.close();
        }
    }
}
