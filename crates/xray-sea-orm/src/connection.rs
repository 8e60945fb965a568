//! Connections, which are pools.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult, Statement,
    TransactionError, TransactionOptions, TransactionTrait,
};
use xray_core::Sql;

use crate::DatabaseTransaction;
use crate::tracer::{Tracer, end};

/// Opens connections, as `sea_orm::Database` does.
#[derive(Debug)]
#[non_exhaustive]
pub struct Database;

impl Database {
    /// Opens a pool that records its calls.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or the database does not accept a connection.
    pub async fn connect(options: impl Into<ConnectOptions>) -> Result<DatabaseConnection, DbErr> {
        let options = options.into();
        let database = Tracer::database(&options);
        let inner = sea_orm::Database::connect(options).await?;
        Ok(DatabaseConnection::new(inner, database))
    }
}

/// A pool of SeaORM that records its calls. Clones share it.
#[derive(Clone, Debug)]
pub struct DatabaseConnection {
    inner: sea_orm::DatabaseConnection,
    tracer: Tracer,
}

impl DatabaseConnection {
    /// Records the calls of a pool to this database.
    ///
    /// ```no_run
    /// use xray_core::Sql;
    /// use xray_sea_orm::DatabaseConnection;
    ///
    /// # async fn run() -> Result<(), sea_orm::DbErr> {
    /// let url = "postgres://app:secret@db.example.com/shop";
    /// let db = DatabaseConnection::new(sea_orm::Database::connect(url).await?, Sql::from_url(url));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(inner: sea_orm::DatabaseConnection, database: Sql) -> DatabaseConnection {
        let tracer = Tracer::new(database, ConnectionTrait::get_database_backend(&inner));
        DatabaseConnection { inner, tracer }
    }

    /// Returns the pool itself, whose calls are not recorded: for migrations, `ping` and `close`.
    pub fn inner(&self) -> &sea_orm::DatabaseConnection {
        &self.inner
    }

    /// Returns the pool itself.
    pub fn into_inner(self) -> sea_orm::DatabaseConnection {
        self.inner
    }
}

#[async_trait]
impl ConnectionTrait for DatabaseConnection {
    fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(&self.inner)
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let call = self.tracer.begin(&statement.sql);
        end(call, self.inner.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let call = self.tracer.begin_unprepared(sql);
        end(call, self.inner.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let call = self.tracer.begin(&statement.sql);
        end(call, self.inner.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let call = self.tracer.begin(&statement.sql);
        end(call, self.inner.query_all_raw(statement).await)
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.inner.is_mock_connection()
    }
}

#[cfg(feature = "stream")]
impl sea_orm::StreamTrait for DatabaseConnection {
    type Stream<'a> = crate::RowStream<<sea_orm::DatabaseConnection as sea_orm::StreamTrait>::Stream<'a>>;

    fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(&self.inner)
    }

    fn stream_raw<'a>(
        &'a self,
        statement: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        Box::pin(async move {
            let call = self.tracer.begin(&statement.sql);
            crate::stream::record(call, self.inner.stream_raw(statement).await)
        })
    }
}

#[async_trait]
impl TransactionTrait for DatabaseConnection {
    type Transaction = DatabaseTransaction;

    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        DatabaseTransaction::begin(&self.tracer, 0, self.inner.begin()).await
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<DatabaseTransaction, DbErr> {
        let begin = self.inner.begin_with_config(isolation_level, access_mode);
        DatabaseTransaction::begin(&self.tracer, 0, begin).await
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        DatabaseTransaction::begin(&self.tracer, 0, self.inner.begin_with_options(options)).await
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c DatabaseTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        self.begin().await.map_err(TransactionError::Connection)?.run(callback).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c DatabaseTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = self.begin_with_config(isolation_level, access_mode).await;
        transaction.map_err(TransactionError::Connection)?.run(callback).await
    }
}
