//! The results of a query, which are recorded until their end.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::stream::{BoxStream, Stream};
use sqlx_core::Either;
use sqlx_core::database::Database;
use sqlx_core::error::Error;
use xray_core::SqlCall;

use crate::driver::Driver;
use crate::tracer::failure;

/// One result: that of a statement, or a row.
pub(crate) type Step<DB> = Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, Error>;

/// Who reads the results.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The application, which may stop at any row.
    Application,
    /// A method that reads all. If it stops before, it was cancelled.
    Whole,
}

/// The results of a query. The call ends with them, or when they are dropped.
pub(crate) struct Rows<'e, DB: Driver> {
    inner: BoxStream<'e, Step<DB>>,
    call: Option<SqlCall>,
    reader: Reader,
    is_answered: bool,
    statements: u64,
    database: PhantomData<fn() -> DB>,
}

impl<'e, DB: Driver> Rows<'e, DB> {
    pub(crate) fn new(inner: BoxStream<'e, Step<DB>>, call: SqlCall, reader: Reader) -> Rows<'e, DB> {
        Rows { inner, call: Some(call), reader, is_answered: false, statements: 0, database: PhantomData }
    }

    fn end(&mut self, error: Option<&Error>) {
        let Some(call) = self.call.take() else { return };
        if let Some(subsegment) = call.subsegment().filter(|_| self.statements > 1) {
            subsegment.metadata_in("sql", "statements", &self.statements);
        }
        if let Some(error) = error {
            call.fail(&failure::<DB>(error), error);
        }
        call.close();
    }
}

impl<DB: Driver> Stream for Rows<'_, DB> {
    type Item = Step<DB>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step<DB>>> {
        let step = ready!(self.inner.as_mut().poll_next(cx));
        match &step {
            Some(Ok(step)) => {
                self.is_answered = true;
                self.statements += u64::from(step.is_left());
            }
            Some(Err(error)) => self.end(Some(error)),
            None => self.end(None),
        }
        Poll::Ready(step)
    }
}

impl<DB: Driver> Drop for Rows<'_, DB> {
    fn drop(&mut self) {
        // The application has what it wanted. Otherwise the call is dropped, and recorded as cancelled.
        if self.reader == Reader::Application && self.is_answered {
            self.end(None);
        }
    }
}
