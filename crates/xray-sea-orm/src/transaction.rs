//! Transactions and savepoints.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult, Statement,
    TransactionError, TransactionOptions, TransactionSession, TransactionTrait,
};
use xray_core::try_current;

use crate::tracer::{Tracer, end};

/// A transaction that records its calls, or a savepoint.
///
/// If it is dropped without a commit or rollback, SeaORM rolls it back. This is recorded if there is a current entity.
#[derive(Debug)]
pub struct DatabaseTransaction {
    /// `None` after it has ended.
    inner: Option<sea_orm::DatabaseTransaction>,
    tracer: Tracer,
    backend: DbBackend,
    /// The number of transactions around it.
    depth: usize,
}

impl DatabaseTransaction {
    pub(crate) async fn begin(
        tracer: &Tracer,
        depth: usize,
        begin: impl Future<Output = Result<sea_orm::DatabaseTransaction, DbErr>>,
    ) -> Result<DatabaseTransaction, DbErr> {
        let call = tracer.begin_operation(if depth == 0 { "BEGIN" } else { "SAVEPOINT" });
        let inner = end(call, begin.await)?;
        let backend = ConnectionTrait::get_database_backend(&inner);
        Ok(DatabaseTransaction { inner: Some(inner), tracer: tracer.clone(), backend, depth })
    }

    /// Runs a function in this transaction, as SeaORM does.
    pub(crate) async fn run<F, T, E>(self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c DatabaseTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let result = callback(&self).await.map_err(TransactionError::Transaction);
        let ended = if result.is_ok() { self.commit().await } else { self.rollback().await };
        ended.map_err(TransactionError::Connection)?;
        result
    }

    fn rollback_operation(&self) -> &'static str {
        if self.depth == 0 { "ROLLBACK" } else { "ROLLBACK TO SAVEPOINT" }
    }

    /// Returns the transaction of SeaORM. Only methods that consume this one end it.
    fn open(&self) -> Result<&sea_orm::DatabaseTransaction, DbErr> {
        self.inner.as_ref().ok_or_else(|| DbErr::Custom("the transaction has ended".to_owned()))
    }
}

#[async_trait]
impl TransactionSession for DatabaseTransaction {
    async fn commit(mut self) -> Result<(), DbErr> {
        let Some(inner) = self.inner.take() else { return Ok(()) };
        let operation = if self.depth == 0 { "COMMIT" } else { "RELEASE SAVEPOINT" };
        let call = self.tracer.begin_operation(operation);
        end(call, inner.commit().await)
    }

    async fn rollback(mut self) -> Result<(), DbErr> {
        let Some(inner) = self.inner.take() else { return Ok(()) };
        let call = self.tracer.begin_operation(self.rollback_operation());
        end(call, inner.rollback().await)
    }
}

impl Drop for DatabaseTransaction {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        let call = try_current().map(|_| self.tracer.begin_operation(self.rollback_operation()));
        drop(inner);
        if let Some(call) = call {
            if let Some(subsegment) = call.subsegment() {
                subsegment.metadata_in("sql", "dropped", &true);
            }
            call.close();
        }
    }
}

#[async_trait]
impl ConnectionTrait for DatabaseTransaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let call = self.tracer.begin(&statement.sql);
        end(call, self.open()?.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let call = self.tracer.begin_unprepared(sql);
        end(call, self.open()?.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let call = self.tracer.begin(&statement.sql);
        end(call, self.open()?.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let call = self.tracer.begin(&statement.sql);
        end(call, self.open()?.query_all_raw(statement).await)
    }

    fn support_returning(&self) -> bool {
        self.inner.as_ref().is_some_and(ConnectionTrait::support_returning)
    }

    fn is_mock_connection(&self) -> bool {
        self.inner.as_ref().is_some_and(ConnectionTrait::is_mock_connection)
    }
}

#[cfg(feature = "stream")]
impl sea_orm::StreamTrait for DatabaseTransaction {
    type Stream<'a> = crate::RowStream<<sea_orm::DatabaseTransaction as sea_orm::StreamTrait>::Stream<'a>>;

    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    fn stream_raw<'a>(
        &'a self,
        statement: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        Box::pin(async move {
            let call = self.tracer.begin(&statement.sql);
            crate::stream::record(call, self.open()?.stream_raw(statement).await)
        })
    }
}

#[async_trait]
impl TransactionTrait for DatabaseTransaction {
    type Transaction = DatabaseTransaction;

    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        DatabaseTransaction::begin(&self.tracer, self.depth + 1, self.open()?.begin()).await
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<DatabaseTransaction, DbErr> {
        let begin = self.open()?.begin_with_config(isolation_level, access_mode);
        DatabaseTransaction::begin(&self.tracer, self.depth + 1, begin).await
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        let begin = self.open()?.begin_with_options(options);
        DatabaseTransaction::begin(&self.tracer, self.depth + 1, begin).await
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c DatabaseTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = TransactionTrait::begin(self).await;
        transaction.map_err(TransactionError::Connection)?.run(callback).await
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
