//! Database calls recorded as subsegments, for drivers that no adapter knows, and for adapters.

mod capture;

use std::error::Error;
use std::time::SystemTime;

use crate::cause::Exception;
use crate::context::current_for_call;
use crate::entity::{Entity, Namespace, Subsegment};
use crate::sql::{Sql, SqlFailure};
use crate::to_exception::ToException;

/// A database call that is being recorded: see [`Sql::begin`].
///
/// [`close`](SqlCall::close) ends it. A call that is dropped without it was cancelled: it closes with the metadata
/// `cancelled: true` in the namespace `xray`. If a panic drops it, it is recorded as a fault.
///
/// If the trace is not sampled, all methods do nothing.
#[derive(Debug)]
#[must_use = "a call that is dropped is recorded as cancelled"]
pub struct SqlCall {
    sql: Sql,
    /// `None` if the call is not recorded, and after it is closed.
    subsegment: Option<Subsegment>,
}

impl Sql {
    /// Begins a call below the current entity, for drivers whose calls are neither a function nor a future: rows that are
    /// streamed, events of a driver's own instrumentation.
    ///
    /// The subsegment has the name [`name`](Sql::name) and the namespace `remote`. `query` is processed only if the trace is
    /// sampled and queries are collected. A text that was set by [`query`](Sql::query) is not used. If there is no current
    /// entity, the [context-missing strategy](crate::ContextMissing) applies, and the call is not recorded; it never panics.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// # let guard = segment.enter();
    /// use xray_core::{Sql, SqlFailure};
    ///
    /// # struct Rows; impl Iterator for Rows { type Item = Result<u8, String>; fn next(&mut self) -> Option<Self::Item> { None } }
    /// # let rows = Rows;
    /// let sql = Sql::from_url("mysql://app:secret@db.example.com/shop");
    /// let call = sql.begin("SELECT name FROM items");
    /// for row in rows {
    ///     if let Err(error) = row {
    ///         call.fail(&SqlFailure::mysql(1317, "70100"), &error);
    ///     }
    /// }
    /// call.close();
    /// # drop(guard);
    /// # segment.close();
    /// # assert_eq!(traces.take().single().tree(), "shop\n  shop@db.example.com remote\n");
    /// ```
    pub fn begin(&self, query: &str) -> SqlCall {
        self.begin_below(&current_for_call(self.name()), query)
    }

    /// Begins a call as [`begin`](Sql::begin) does, below another entity than the current one.
    pub fn begin_below(&self, parent: &Entity, query: &str) -> SqlCall {
        self.call_of(parent.is_sampled().then(|| parent.subsegment(self.name())), query)
    }

    /// Begins a call as [`begin_below`](Sql::begin_below) does, for one that started earlier.
    pub fn begin_below_at(&self, parent: &Entity, query: &str, start: SystemTime) -> SqlCall {
        self.call_of(parent.is_sampled().then(|| parent.subsegment_at(self.name(), start)), query)
    }

    fn call_of(&self, subsegment: Option<Subsegment>, query: &str) -> SqlCall {
        if let Some(subsegment) = &subsegment {
            subsegment.set_namespace(Namespace::Remote);
            self.describe(subsegment, query);
        }
        SqlCall { sql: self.clone(), subsegment }
    }

    /// Sets the query of a call's subsegment, as [`set_sql`](Subsegment::set_sql) does, without copying the text.
    ///
    /// For drivers that reveal the text of a query after the call has begun.
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// # let sql = xray_core::Sql::from_url("mysql://app@db.example.com/shop");
    /// let call = sql.begin_below(&segment.entity(), "");
    /// if let Some(subsegment) = call.subsegment() {
    ///     sql.clone().prepared().describe(subsegment, "SELECT name FROM items WHERE id = ?");
    /// }
    /// call.close();
    /// ```
    pub fn describe(&self, subsegment: &Subsegment, query: &str) {
        subsegment.describe_query(self, Some(query));
    }
}

impl SqlCall {
    /// Records the operation of a call that is not a query of the application, such as `CONNECT` or `COMMIT`: the metadata
    /// `operation` in the namespace `sql`. A second call replaces it.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// # let sql = xray_core::Sql::from_url("mysql://app@db.example.com/shop");
    /// sql.begin_below(&segment.entity(), "COMMIT").with_operation("COMMIT").close();
    /// # segment.close();
    /// # assert_eq!(traces.take().single().find("shop@db.example.com").metadata("sql", "operation"), "COMMIT");
    /// ```
    pub fn with_operation(self, operation: &str) -> SqlCall {
        if let Some(subsegment) = &self.subsegment {
            subsegment.metadata_in("sql", "operation", operation);
        }
        self
    }

    /// Returns the subsegment of the call, to add annotations. `None` if the call is not recorded.
    pub fn subsegment(&self) -> Option<&Subsegment> {
        self.subsegment.as_ref()
    }

    /// Whether the text of the query is recorded: the call is recorded, and queries are collected.
    ///
    /// For drivers that must format the text first. It is then passed to [`describe`](Sql::describe).
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// # let sql = xray_core::Sql::from_url("mysql://app@db.example.com/shop");
    /// # let query = format_args!("SELECT name FROM items WHERE id = ?");
    /// let call = sql.begin_below(&segment.entity(), "");
    /// if let Some(subsegment) = call.subsegment().filter(|_| call.collects_query()) {
    ///     sql.describe(subsegment, &query.to_string());
    /// }
    /// call.close();
    /// ```
    pub fn collects_query(&self) -> bool {
        self.subsegment.as_ref().is_some_and(Subsegment::collects_query)
    }

    /// Records the error of a result, if it has one, as the function of [`Sql::on_error`] classifies it. Errors that it does
    /// not know are faults.
    pub fn record<T, E: Error + 'static>(&self, result: &Result<T, E>) {
        if let (Some(_), Err(error)) = (&self.subsegment, result) {
            let failure = self.sql.classify(error).unwrap_or_else(SqlFailure::fault);
            self.fail(&failure, error);
        }
    }

    /// Records a failure: its flag, and an exception whose type is the code of the failure, or the error's own type if there
    /// is no code.
    ///
    /// Unless queries are collected, the messages are reduced as by
    /// [`holding_values`](crate::Exception::holding_values).
    pub fn fail<M>(&self, failure: &SqlFailure, error: &impl ToException<M>) {
        if let (Some(subsegment), Some(flag)) = (&self.subsegment, failure.flag()) {
            subsegment.handle().describe_with(flag, || of_database(error.to_exception(), failure));
        }
    }

    /// Closes the call.
    pub fn close(mut self) {
        if let Some(subsegment) = self.subsegment.take() {
            subsegment.close();
        }
    }
}

/// Returns the exception of a database's error.
fn of_database(exception: Exception, failure: &SqlFailure) -> Exception {
    let exception = exception.holding_values();
    if failure.code().is_empty() { exception } else { exception.with_kind(failure.code()) }
}

/// Closes a call that was cancelled.
impl Drop for SqlCall {
    fn drop(&mut self) {
        if let Some(subsegment) = self.subsegment.take().filter(Subsegment::is_recording) {
            if !subsegment.handle().is_unwound() {
                subsegment.metadata_in("xray", "cancelled", &true);
            }
            subsegment.handle().finish();
        }
    }
}
