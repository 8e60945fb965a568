//! `COPY` of PostgreSQL.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::stream::{BoxStream, Stream};
use sqlx_core::bytes::Bytes;
use sqlx_core::error::Error;
use sqlx_core::pool::PoolConnection;
use sqlx_postgres::{PgPoolCopyExt, Postgres};
use xray_core::SqlCall;

use crate::tracer::{end, failure};
use crate::{PgConnection, PgPool};

/// A `COPY FROM STDIN`, which is recorded from its statement until [`finish`](PgCopyIn::finish) or
/// [`abort`](PgCopyIn::abort).
///
/// It dereferences to sqlx's type, whose methods send data.
#[must_use = "a copy must be finished or aborted"]
pub struct PgCopyIn<C: DerefMut<Target = sqlx_postgres::PgConnection>> {
    inner: sqlx_postgres::PgCopyIn<C>,
    call: Option<SqlCall>,
}

impl<C: DerefMut<Target = sqlx_postgres::PgConnection>> PgCopyIn<C> {
    /// Ends the copy. Returns the number of rows that were written.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database, which checks the data.
    pub async fn finish(self) -> Result<u64, Error> {
        ended(self.call, self.inner.finish().await)
    }

    /// Ends the copy without writing its rows.
    ///
    /// # Errors
    ///
    /// Returns the errors of the connection.
    pub async fn abort(self, message: impl Into<String>) -> Result<(), Error> {
        ended(self.call, self.inner.abort(message).await)
    }
}

fn ended<T>(call: Option<SqlCall>, result: Result<T, Error>) -> Result<T, Error> {
    if let Some(call) = call {
        end::<_, Postgres>(call, &result);
    }
    result
}

/// Returns what a copy begins with, or records that it did not begin.
fn begun<T>(call: Option<SqlCall>, result: Result<T, Error>) -> Result<(T, Option<SqlCall>), Error> {
    match result {
        Ok(copy) => Ok((copy, call)),
        Err(error) => ended(call, Err(error)),
    }
}

impl<C: DerefMut<Target = sqlx_postgres::PgConnection>> Deref for PgCopyIn<C> {
    type Target = sqlx_postgres::PgCopyIn<C>;

    fn deref(&self) -> &sqlx_postgres::PgCopyIn<C> {
        &self.inner
    }
}

impl<C: DerefMut<Target = sqlx_postgres::PgConnection>> DerefMut for PgCopyIn<C> {
    fn deref_mut(&mut self) -> &mut sqlx_postgres::PgCopyIn<C> {
        &mut self.inner
    }
}

impl<C: DerefMut<Target = sqlx_postgres::PgConnection>> fmt::Debug for PgCopyIn<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgCopyIn").finish_non_exhaustive()
    }
}

/// The data of a `COPY TO STDOUT`, which is recorded until its end.
struct CopyOut<'c> {
    inner: BoxStream<'c, Result<Bytes, Error>>,
    call: Option<SqlCall>,
}

impl Stream for CopyOut<'_> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let chunk = ready!(self.inner.as_mut().poll_next(cx));
        if !matches!(chunk, Some(Ok(_)))
            && let Some(call) = self.call.take()
        {
            if let Some(Err(error)) = &chunk {
                call.fail(&failure::<Postgres>(error), error);
            }
            call.close();
        }
        Poll::Ready(chunk)
    }
}

fn recorded<'c>(
    (inner, call): (BoxStream<'c, Result<Bytes, Error>>, Option<SqlCall>),
) -> BoxStream<'c, Result<Bytes, Error>> {
    match call {
        Some(_) => Box::pin(CopyOut { inner, call }),
        None => inner,
    }
}

impl PgConnection {
    /// Begins a `COPY FROM STDIN`.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn copy_in_raw(&mut self, statement: &str) -> Result<PgCopyIn<&mut sqlx_postgres::PgConnection>, Error> {
        let (tracer, raw) = self.parts();
        let call = tracer.parent().map(|parent| tracer.begin_operation::<Postgres>(&parent, raw, "COPY", statement));
        let (inner, call) = begun(call, raw.copy_in_raw(statement).await)?;
        Ok(PgCopyIn { inner, call })
    }

    /// Begins a `COPY TO STDOUT`. The call lasts until the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn copy_out_raw<'c>(&'c mut self, statement: &str) -> Result<BoxStream<'c, Result<Bytes, Error>>, Error> {
        let (tracer, raw) = self.parts();
        let call = tracer.parent().map(|parent| tracer.begin_operation::<Postgres>(&parent, raw, "COPY", statement));
        begun(call, raw.copy_out_raw(statement).await).map(recorded)
    }
}

impl PgPool {
    /// Begins a `COPY FROM STDIN` on a connection of the pool.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`acquire`](PgPool::acquire) and of the database.
    pub async fn copy_in_raw(&self, statement: &str) -> Result<PgCopyIn<PoolConnection<Postgres>>, Error> {
        let call = self.tracer.parent().map(|parent| self.tracer.begin_unconnected(&parent, "COPY", statement));
        let (inner, call) = begun(call, self.inner.copy_in_raw(statement).await)?;
        Ok(PgCopyIn { inner, call })
    }

    /// Begins a `COPY TO STDOUT` on a connection of the pool. The call lasts until the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`acquire`](PgPool::acquire) and of the database.
    pub async fn copy_out_raw(&self, statement: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let call = self.tracer.parent().map(|parent| self.tracer.begin_unconnected(&parent, "COPY", statement));
        begun(call, self.inner.copy_out_raw(statement).await).map(recorded)
    }
}
