//! Rows that are streamed.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use sea_orm::{DbErr, QueryResult};
use xray_core::SqlCall;

/// A stream of rows whose call ends with the last row, or when the stream is dropped.
pub struct RowStream<S> {
    rows: Pin<Box<S>>,
    /// `None` after the call has ended.
    call: Option<SqlCall>,
}

/// Records a call until the end of its rows.
pub(crate) fn record<S>(call: SqlCall, rows: Result<S, DbErr>) -> Result<RowStream<S>, DbErr> {
    call.record(&rows);
    match rows {
        Ok(rows) => Ok(RowStream { rows: Box::pin(rows), call: Some(call) }),
        Err(error) => {
            call.close();
            Err(error)
        }
    }
}

impl<S> RowStream<S> {
    fn end(&mut self) {
        if let Some(call) = self.call.take() {
            call.close();
        }
    }
}

impl<S: Stream<Item = Result<QueryResult, DbErr>>> Stream for RowStream<S> {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let row = ready!(self.rows.as_mut().poll_next(cx));
        if let (Some(call), Some(row)) = (&self.call, &row) {
            call.record(row);
        }
        if !matches!(row, Some(Ok(_))) {
            self.end();
        }
        Poll::Ready(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

/// The application has the rows that it wanted.
impl<S> Drop for RowStream<S> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<S> fmt::Debug for RowStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").finish_non_exhaustive()
    }
}
