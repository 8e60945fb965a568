//! Pools.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use sqlx_core::acquire::Acquire;
use sqlx_core::error::Error;
use sqlx_core::pool;
use sqlx_core::sql_str::{SqlSafeStr, SqlStr};
use sqlx_core::transaction;

use crate::driver::{Driver, Options};
use crate::tracer::{Tracer, current_parent};
use crate::transaction::Held;
use crate::{Connection, PoolConnection, Transaction};

/// A pool of sqlx that records its calls.
///
/// `&Pool` is an `Executor`. All other methods of sqlx's pool are available, since this type dereferences to it.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")] mod only {
/// use sqlx::sqlite::SqlitePoolOptions;
/// use xray_sqlx::SqlitePool;
///
/// # async fn run() -> sqlx::Result<()> {
/// let pool = SqlitePool::connect("sqlite:shop.db").await?;
/// // With options:
/// let pool = SqlitePool::from(SqlitePoolOptions::new().max_connections(4).connect("sqlite:shop.db").await?);
/// let n: i64 = sqlx::query_scalar("SELECT count(*) FROM items").fetch_one(&pool).await?;
/// pool.close().await;
/// # Ok(())
/// # }
/// # }
/// ```
///
/// Clones share the pool.
pub struct Pool<DB: Driver> {
    pub(crate) inner: pool::Pool<DB>,
    pub(crate) tracer: Arc<Tracer>,
}

impl<DB: Driver> Pool<DB> {
    /// Creates a pool with default options, and opens one connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or the database does not accept the connection.
    pub async fn connect(url: &str) -> Result<Pool<DB>, Error> {
        pool::Pool::connect(url).await.map(Pool::from)
    }

    /// Creates a pool as [`connect`](Pool::connect) does, from the options of a connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does not accept the connection.
    pub async fn connect_with(options: Options<DB>) -> Result<Pool<DB>, Error> {
        pool::Pool::connect_with(options).await.map(Pool::from)
    }

    /// Creates a pool that opens connections when they are needed.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid.
    pub fn connect_lazy(url: &str) -> Result<Pool<DB>, Error> {
        pool::Pool::connect_lazy(url).map(Pool::from)
    }

    /// Creates a pool as [`connect_lazy`](Pool::connect_lazy) does, from the options of a connection.
    pub fn connect_lazy_with(options: Options<DB>) -> Pool<DB> {
        Pool::from(pool::Pool::connect_lazy_with(options))
    }

    /// Sets how long a wait for a connection must be to be recorded (default: 1 ms). Calling this again replaces the value.
    ///
    /// The wait includes the time to open a connection. A wait that fails is always recorded.
    #[must_use]
    pub fn with_min_wait(self, min_wait: Duration) -> Pool<DB> {
        Pool { tracer: Arc::new(self.tracer.with_min_wait(min_wait)), inner: self.inner }
    }

    /// Sets the version of the database (default: PostgreSQL's own, which each connection knows; none for others). Calling
    /// this again replaces the value.
    #[must_use]
    pub fn with_database_version(self, version: impl Into<String>) -> Pool<DB> {
        Pool { tracer: Arc::new(self.tracer.with_database_version(version.into())), inner: self.inner }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// Returns an error if no connection is available in time, the pool is closed or the database does not accept a
    /// connection.
    pub fn acquire(&self) -> impl Future<Output = Result<PoolConnection<DB>, Error>> + 'static {
        let (pool, tracer) = (self.inner.clone(), self.tracer.clone());
        async move {
            let acquired = match current_parent() {
                Some(parent) => tracer.wait::<_, DB>(&parent, pool.acquire()).await?,
                None => pool.acquire().await?,
            };
            Ok(PoolConnection(Connection::pooled(acquired, tracer)))
        }
    }

    /// Returns a connection if one is available at once.
    pub fn try_acquire(&self) -> Option<PoolConnection<DB>> {
        let acquired = self.inner.try_acquire()?;
        Some(PoolConnection(Connection::pooled(acquired, self.tracer.clone())))
    }

    /// Waits for a connection and begins a transaction.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`acquire`](Pool::acquire) and of the database.
    pub async fn begin(&self) -> Result<Transaction<'static, DB>, Error> {
        self.begin_on(self.acquire().await?, None).await
    }

    /// Begins a transaction if a connection is available at once.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn try_begin(&self) -> Result<Option<Transaction<'static, DB>>, Error> {
        match self.try_acquire() {
            Some(connection) => self.begin_on(connection, None).await.map(Some),
            None => Ok(None),
        }
    }

    /// Waits for a connection and begins a transaction with a statement of your own.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`acquire`](Pool::acquire) and of the database.
    pub async fn begin_with(&self, statement: impl SqlSafeStr) -> Result<Transaction<'static, DB>, Error> {
        let statement = statement.into_sql_str();
        self.begin_on(self.acquire().await?, Some(statement)).await
    }

    /// Begins a transaction with a statement of your own if a connection is available at once.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn try_begin_with(&self, statement: impl SqlSafeStr) -> Result<Option<Transaction<'static, DB>>, Error> {
        let statement = statement.into_sql_str();
        match self.try_acquire() {
            Some(connection) => self.begin_on(connection, Some(statement)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn begin_on(
        &self,
        connection: PoolConnection<DB>,
        statement: Option<SqlStr>,
    ) -> Result<Transaction<'static, DB>, Error> {
        Transaction::begin_on(Held::Pooled(connection), statement).await
    }
}

/// Records the calls of a pool that sqlx created.
impl<DB: Driver> From<pool::Pool<DB>> for Pool<DB> {
    fn from(inner: pool::Pool<DB>) -> Pool<DB> {
        let tracer = Arc::new(Tracer::of::<DB>(&inner.connect_options()));
        Pool { inner, tracer }
    }
}

impl<DB: Driver> Deref for Pool<DB> {
    type Target = pool::Pool<DB>;

    fn deref(&self) -> &pool::Pool<DB> {
        &self.inner
    }
}

impl<DB: Driver> Clone for Pool<DB> {
    fn clone(&self) -> Pool<DB> {
        Pool { inner: self.inner.clone(), tracer: self.tracer.clone() }
    }
}

impl<DB: Driver> fmt::Debug for Pool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Gives out connections and transactions of sqlx, whose calls are not recorded: the trait demands its types.
impl<'a, DB: Driver> Acquire<'a> for &'_ Pool<DB> {
    type Database = DB;
    type Connection = pool::PoolConnection<DB>;

    fn acquire(self) -> BoxFuture<'a, Result<Self::Connection, Error>> {
        Acquire::acquire(&self.inner)
    }

    fn begin(self) -> BoxFuture<'a, Result<transaction::Transaction<'a, DB>, Error>> {
        Acquire::begin(&self.inner)
    }
}
