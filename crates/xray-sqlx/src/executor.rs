//! `Executor` for pools and connections: each query is one call.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use sqlx_core::Either;
use sqlx_core::describe::Describe;
use sqlx_core::error::Error;
use sqlx_core::executor::{Execute, Executor};
use sqlx_core::ext::async_stream::TryAsyncStream;
use sqlx_core::sql_str::SqlStr;
use xray_core::Entity;

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use crate::Connection;
use crate::Pool;
use crate::driver::Driver;
use crate::observed::Observed;
use crate::rows::{Reader, Rows, Step};
use crate::tracer::{Tracer, end};

/// Runs a query on a connection as a call.
fn many<'e, 'q: 'e, DB, E>(
    tracer: Arc<Tracer>,
    parent: Entity,
    connection: &'e mut DB::Connection,
    query: E,
    reader: Reader,
) -> BoxStream<'e, Step<DB>>
where
    DB: Driver,
    E: 'q + Execute<'q, DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    // The call begins with the first poll.
    let begun = async move {
        let call = tracer.begin::<DB>(&parent, connection, "");
        let query = Observed::new(query, call.subsegment(), tracer.described::<DB>(connection));
        Ok::<_, Error>(Rows::<DB>::new(connection.fetch_many(query), call, reader))
    };
    stream::once(begun).try_flatten().boxed()
}

/// Runs a query for at most one row on a connection as a call.
async fn optional<'q, DB, E>(
    tracer: Arc<Tracer>,
    parent: Entity,
    connection: &mut DB::Connection,
    query: E,
) -> Result<Option<DB::Row>, Error>
where
    DB: Driver,
    E: 'q + Execute<'q, DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let call = tracer.begin::<DB>(&parent, connection, "");
    let query = Observed::new(query, call.subsegment(), tracer.described::<DB>(connection));
    let result = connection.fetch_optional(query).await;
    end::<_, DB>(call, &result);
    result
}

/// Prepares a statement on a connection as a call.
async fn prepared<DB>(
    tracer: Arc<Tracer>,
    parent: Entity,
    connection: &mut DB::Connection,
    sql: SqlStr,
    parameters: &[DB::TypeInfo],
) -> Result<DB::Statement, Error>
where
    DB: Driver,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let call = tracer.begin_operation::<DB>(&parent, connection, "PREPARE", sql.as_str());
    let result = connection.prepare_with(sql, parameters).await;
    end::<_, DB>(call, &result);
    result
}

/// Keeps the results of statements.
fn results<DB: Driver>(steps: BoxStream<'_, Step<DB>>) -> impl stream::Stream<Item = Result<DB::QueryResult, Error>> {
    steps.try_filter_map(async |step| Ok(step.left()))
}

/// Keeps the rows.
fn rows<DB: Driver>(steps: BoxStream<'_, Step<DB>>) -> impl stream::Stream<Item = Result<DB::Row, Error>> {
    steps.try_filter_map(async |step| Ok(step.right()))
}

impl<DB: Driver> Pool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Runs a query on a connection of the pool, as sqlx does.
    fn many<'e, 'q: 'e, E>(&self, parent: Entity, query: E, reader: Reader) -> BoxStream<'e, Step<DB>>
    where
        E: 'q + Execute<'q, DB>,
    {
        let (pool, tracer) = (self.inner.clone(), self.tracer.clone());
        Box::pin(TryAsyncStream::new(move |yielder| async move {
            let mut connection = tracer.wait::<_, DB>(&parent, pool.acquire()).await?;
            let mut steps = many::<DB, E>(tracer, parent, &mut connection, query, reader);
            while let Some(step) = steps.try_next().await? {
                yielder.r#yield(step).await;
            }
            Ok(())
        }))
    }
}

// If the call is not recorded, all methods are sqlx's.
impl<'p, DB: Driver> Executor<'p> for &'_ Pool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::QueryResult, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        match self.tracer.parent() {
            Some(parent) => Box::pin(results::<DB>(self.many(parent, query, Reader::Whole)).try_collect()),
            None => self.inner.execute(query),
        }
    }

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        match self.tracer.parent() {
            Some(parent) => self.many(parent, query, Reader::Application),
            None => self.inner.fetch_many(query),
        }
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        match self.tracer.parent() {
            Some(parent) => Box::pin(rows::<DB>(self.many(parent, query, Reader::Whole)).try_collect()),
            None => self.inner.fetch_all(query),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let Some(parent) = self.tracer.parent() else { return self.inner.fetch_optional(query) };
        let (pool, tracer) = (self.inner.clone(), self.tracer.clone());
        Box::pin(async move {
            let mut connection = tracer.wait::<_, DB>(&parent, pool.acquire()).await?;
            optional::<DB, E>(tracer, parent, &mut connection, query).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        let Some(parent) = self.tracer.parent() else { return self.inner.prepare_with(sql, parameters) };
        let (pool, tracer) = (self.inner.clone(), self.tracer.clone());
        Box::pin(async move {
            let mut connection = tracer.wait::<_, DB>(&parent, pool.acquire()).await?;
            prepared::<DB>(tracer, parent, &mut connection, sql, parameters).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        self.inner.describe(sql)
    }
}

/// Implements `Executor` for connections of one database. For any database, the compiler would recurse without an end.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
macro_rules! executor {
    ($database:ty) => {
        impl<'c> Executor<'c> for &'c mut Connection<$database> {
            type Database = $database;

            fn execute<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<<$database as sqlx_core::database::Database>::QueryResult, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let (tracer, raw) = self.parts();
                match tracer.parent() {
                    Some(parent) => {
                        let steps = many::<$database, E>(tracer.clone(), parent, raw, query, Reader::Whole);
                        Box::pin(results::<$database>(steps).try_collect())
                    }
                    None => raw.execute(query),
                }
            }

            fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Step<$database>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let (tracer, raw) = self.parts();
                match tracer.parent() {
                    Some(parent) => many::<$database, E>(tracer.clone(), parent, raw, query, Reader::Application),
                    None => raw.fetch_many(query),
                }
            }

            fn fetch_all<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Vec<<$database as sqlx_core::database::Database>::Row>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let (tracer, raw) = self.parts();
                match tracer.parent() {
                    Some(parent) => {
                        let steps = many::<$database, E>(tracer.clone(), parent, raw, query, Reader::Whole);
                        Box::pin(rows::<$database>(steps).try_collect())
                    }
                    None => raw.fetch_all(query),
                }
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<<$database as sqlx_core::database::Database>::Row>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let (tracer, raw) = self.parts();
                match tracer.parent() {
                    Some(parent) => Box::pin(optional::<$database, E>(tracer.clone(), parent, raw, query)),
                    None => raw.fetch_optional(query),
                }
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$database as sqlx_core::database::Database>::TypeInfo],
            ) -> BoxFuture<'e, Result<<$database as sqlx_core::database::Database>::Statement, Error>>
            where
                'c: 'e,
            {
                let (tracer, raw) = self.parts();
                match tracer.parent() {
                    Some(parent) => Box::pin(prepared::<$database>(tracer.clone(), parent, raw, sql, parameters)),
                    None => raw.prepare_with(sql, parameters),
                }
            }

            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<$database>, Error>>
            where
                'c: 'e,
            {
                self.parts().1.describe(sql)
            }
        }
    };
}
#[cfg(feature = "postgres")]
executor!(sqlx_postgres::Postgres);
#[cfg(feature = "mysql")]
executor!(sqlx_mysql::MySql);
#[cfg(feature = "sqlite")]
executor!(sqlx_sqlite::Sqlite);
