//! Connections, of a pool and without one.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use futures_core::future::BoxFuture;
use sqlx_core::acquire::Acquire;
use sqlx_core::connection::{ConnectOptions, Connection as _};
use sqlx_core::error::Error;
use sqlx_core::pool;
use sqlx_core::sql_str::SqlSafeStr;
use sqlx_core::transaction;

use crate::Transaction;
use crate::driver::{Driver, Options};
use crate::tracer::{Tracer, current_parent, end};
use crate::transaction::Held;

/// A connection that records its calls.
///
/// `&mut Connection` is an `Executor`. All other methods of sqlx's connection are available, since this type dereferences to
/// it.
pub struct Connection<DB: Driver> {
    raw: Raw<DB>,
    pub(crate) tracer: Arc<Tracer>,
}

enum Raw<DB: Driver> {
    Single(DB::Connection),
    Pooled(pool::PoolConnection<DB>),
}

impl<DB: Driver> Connection<DB> {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or the database does not accept the connection.
    pub async fn connect(url: &str) -> Result<Connection<DB>, Error> {
        Connection::connect_with(&url.parse()?).await
    }

    /// Opens a connection with options.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does not accept the connection.
    pub async fn connect_with(options: &Options<DB>) -> Result<Connection<DB>, Error> {
        let tracer = Tracer::of::<DB>(options);
        let call = current_parent().map(|parent| tracer.begin_unconnected(&parent, "CONNECT", ""));
        let connected = options.connect().await;
        if let Some(call) = call {
            end::<_, DB>(call, &connected);
        }
        Ok(Connection { raw: Raw::Single(connected?), tracer: Arc::new(tracer) })
    }

    pub(crate) fn pooled(connection: pool::PoolConnection<DB>, tracer: Arc<Tracer>) -> Connection<DB> {
        // The version of the database is known from now on.
        let _ = tracer.described::<DB>(&connection);
        Connection { raw: Raw::Pooled(connection), tracer }
    }

    /// Returns what records, and what is recorded.
    pub(crate) fn parts(&mut self) -> (&Arc<Tracer>, &mut DB::Connection) {
        let raw = match &mut self.raw {
            Raw::Single(connection) => connection,
            Raw::Pooled(connection) => &mut **connection,
        };
        (&self.tracer, raw)
    }

    /// Begins a transaction, or a savepoint within one.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn begin(&mut self) -> Result<Transaction<'_, DB>, Error> {
        Transaction::begin_on(Held::Borrowed(self), None).await
    }

    /// Begins a transaction with a statement of your own.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database, and an error within a transaction.
    pub async fn begin_with(&mut self, statement: impl SqlSafeStr) -> Result<Transaction<'_, DB>, Error> {
        let statement = statement.into_sql_str();
        Transaction::begin_on(Held::Borrowed(self), Some(statement)).await
    }

    /// Runs a function in a transaction, which is committed if the function succeeds, and else rolled back.
    ///
    /// # Errors
    ///
    /// Returns the errors of the function and of the database.
    pub async fn transaction<F, R, E>(&mut self, callback: F) -> Result<R, E>
    where
        for<'c> F: FnOnce(&'c mut Transaction<'_, DB>) -> BoxFuture<'c, Result<R, E>> + Send,
        R: Send,
        E: From<Error> + Send,
    {
        let mut transaction = self.begin().await?;
        match callback(&mut transaction).await {
            Ok(result) => {
                transaction.commit().await?;
                Ok(result)
            }
            Err(error) => {
                transaction.rollback().await?;
                Err(error)
            }
        }
    }

    /// Closes the connection.
    ///
    /// # Errors
    ///
    /// Returns the errors of the connection.
    pub async fn close(self) -> Result<(), Error> {
        match self.raw {
            Raw::Single(connection) => connection.close().await,
            Raw::Pooled(connection) => connection.close().await,
        }
    }
}

impl<DB: Driver> Deref for Connection<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match &self.raw {
            Raw::Single(connection) => connection,
            Raw::Pooled(connection) => connection,
        }
    }
}

impl<DB: Driver> DerefMut for Connection<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.parts().1
    }
}

impl<DB: Driver> fmt::Debug for Connection<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("tracer", &self.tracer).finish_non_exhaustive()
    }
}

/// A connection of a pool, to which it returns when it is dropped. It dereferences to a [`Connection`], whose calls are
/// recorded: `&mut *connection` is an `Executor`.
#[derive(Debug)]
pub struct PoolConnection<DB: Driver>(pub(crate) Connection<DB>);

impl<DB: Driver> PoolConnection<DB> {
    /// Begins a transaction: see [`Connection::begin`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn begin(&mut self) -> Result<Transaction<'_, DB>, Error> {
        self.0.begin().await
    }

    /// Closes the connection. The pool may open another one.
    ///
    /// # Errors
    ///
    /// Returns the errors of the connection.
    pub async fn close(self) -> Result<(), Error> {
        self.0.close().await
    }

    /// Closes the connection when it is dropped, instead of returning it to the pool.
    pub fn close_on_drop(&mut self) {
        if let Raw::Pooled(connection) = &mut self.0.raw {
            connection.close_on_drop();
        }
    }

    /// Takes the connection out of the pool, which may open another one.
    pub fn detach(self) -> Connection<DB> {
        self.0.with_raw(pool::PoolConnection::detach)
    }

    /// Takes the connection out of the pool, which does not open another one.
    pub fn leak(self) -> Connection<DB> {
        self.0.with_raw(pool::PoolConnection::leak)
    }
}

impl<DB: Driver> Connection<DB> {
    fn with_raw(self, take: impl FnOnce(pool::PoolConnection<DB>) -> DB::Connection) -> Connection<DB> {
        let raw = match self.raw {
            Raw::Pooled(connection) => Raw::Single(take(connection)),
            single @ Raw::Single(_) => single,
        };
        Connection { raw, tracer: self.tracer }
    }
}

impl<DB: Driver> Deref for PoolConnection<DB> {
    type Target = Connection<DB>;

    fn deref(&self) -> &Connection<DB> {
        &self.0
    }
}

impl<DB: Driver> DerefMut for PoolConnection<DB> {
    fn deref_mut(&mut self) -> &mut Connection<DB> {
        &mut self.0
    }
}

/// What the wrappers of a connection have in common: functions of sqlx take them for its own.
macro_rules! raw_connection {
    ($wrapper:ty $(, $lifetime:lifetime)?) => {
        impl<$($lifetime,)? DB: Driver> AsRef<DB::Connection> for $wrapper {
            fn as_ref(&self) -> &DB::Connection {
                self
            }
        }

        impl<$($lifetime,)? DB: Driver> AsMut<DB::Connection> for $wrapper {
            fn as_mut(&mut self) -> &mut DB::Connection {
                self
            }
        }

        /// Gives out the connection and transactions of sqlx, whose calls are not recorded: the trait demands its types.
        impl<'a, $($lifetime,)? DB: Driver> Acquire<'a> for &'a mut $wrapper {
            type Database = DB;
            type Connection = &'a mut DB::Connection;

            fn acquire(self) -> BoxFuture<'a, Result<Self::Connection, Error>> {
                Box::pin(std::future::ready(Ok(self.as_mut())))
            }

            fn begin(self) -> BoxFuture<'a, Result<transaction::Transaction<'a, DB>, Error>> {
                transaction::Transaction::begin(self.as_mut(), None)
            }
        }
    };
}
raw_connection!(Connection<DB>);
raw_connection!(PoolConnection<DB>);
raw_connection!(Transaction<'c, DB>, 'c);
