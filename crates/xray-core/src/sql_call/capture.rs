//! Functions and futures recorded as database calls.

use std::borrow::Cow;
use std::error::Error;

use crate::capture::run;
use crate::context::{InSubsegment, current_for_call, replace, try_current};
use crate::sql::Sql;

impl Sql {
    /// Runs a function of a blocking driver as one recorded call.
    ///
    /// The subsegment is current while `f` runs. Everything else is as with [`capture_async`](Sql::capture_async).
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// # let guard = segment.enter();
    /// use xray_core::Sql;
    ///
    /// # struct Connection;
    /// # impl Connection { fn execute(&self, _: &str, _: [u32; 1]) -> Result<usize, std::fmt::Error> { Ok(1) } }
    /// # let connection = Connection;
    /// let db = Sql::from_url("sqlite:data/shop.db"); // once, next to the connection
    ///
    /// let query = "UPDATE stock SET n = n - 1 WHERE id = ?1";
    /// let changed = db.capture(query, || connection.execute(query, [7]))?;
    /// # drop(guard);
    /// # segment.close();
    /// # assert_eq!(traces.take().single().tree(), "shop\n  shop.db@localhost remote\n");
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of `f`, unchanged.
    pub fn capture<T, E: Error + 'static>(&self, query: &str, f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let call = self.begin(query);
        let Some(subsegment) = call.subsegment().cloned() else { return f() };
        let restore = replace(Some(subsegment.handle().clone()));
        run(subsegment, restore, |_| f(), |_, result| call.record(result))
    }

    /// Runs a future of a driver as one recorded call.
    ///
    /// The subsegment has the name [`name`](Sql::name), the namespace `remote` and the members of this `Sql`. It begins with
    /// the first poll, below the entity that is current when this method is called, and is current while the future runs.
    /// It closes when the future is ready. If the future is dropped before, the subsegment has the metadata
    /// `cancelled: true` in the namespace `xray`. Errors are recorded as [`on_error`](Sql::on_error) says.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// use xray_core::{Sql, SqlFailure};
    ///
    /// # #[derive(Debug)] struct DriverError;
    /// # impl DriverError { fn code(&self) -> Option<&str> { Some("23505") } }
    /// # impl std::fmt::Display for DriverError { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { f.write_str("duplicate") } }
    /// # impl std::error::Error for DriverError {}
    /// # struct Client;
    /// # impl Client { async fn execute(&self, _: &str, _: &[u32]) -> Result<u64, DriverError> { Err(DriverError) } }
    /// # let client = Client;
    /// // Once, next to the connection:
    /// let db = Sql::from_url("postgres://app:secret@db.example.com/shop").on_error(|error: &DriverError| {
    ///     error.code().map_or_else(SqlFailure::fault, SqlFailure::sqlstate)
    /// });
    ///
    /// # let work = async {
    /// // At each call:
    /// let query = "INSERT INTO items (id) VALUES ($1)";
    /// let inserted = db.capture_async(query, client.execute(query, &[7])).await;
    /// # };
    /// # let work = segment.scope(work);
    /// # futures_util::future::FutureExt::now_or_never(work).unwrap();
    /// # segment.close();
    /// # assert_eq!(traces.take().single().tree(), "shop\n  shop@db.example.com remote error\n");
    /// ```
    ///
    /// `query` is processed only if the trace is sampled and queries are collected (`AWS_XRAY_COLLECT_SQL_QUERIES`, default:
    /// off). If the trace is not sampled, the future is polled as it is. If there is no current entity, the
    /// [context-missing strategy](crate::ContextMissing) applies, and nothing is recorded; it never panics.
    ///
    /// # Errors
    ///
    /// The future returns the error of `future`, unchanged.
    pub fn capture_async<'q, Q, T, E, F>(
        &self,
        query: Q,
        future: F,
    ) -> impl Future<Output = Result<T, E>> + use<'q, Q, T, E, F>
    where
        Q: Into<Cow<'q, str>>,
        F: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        let (parent, sql, query): (_, _, Cow<'q, str>) = (try_current(), self.clone(), query.into());
        async move {
            let parent = parent.unwrap_or_else(|| current_for_call(sql.name()));
            let call = sql.begin_below(&parent, &query);
            let Some(subsegment) = call.subsegment().cloned() else { return future.await };
            let recorded = async {
                let result = future.await;
                call.record(&result);
                result
            };
            InSubsegment::running(subsegment, recorded).await
        }
    }
}
