//! Transactions and savepoints.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx_core::error::Error;
use sqlx_core::sql_str::SqlStr;
use sqlx_core::transaction::TransactionManager;
use xray_core::Entity;

use crate::driver::Driver;
use crate::tracer::{begin_operation, commit_operation, current_parent, depth, end, rollback_operation};
use crate::{Connection, PoolConnection};

/// A transaction that records its calls, or a savepoint.
///
/// It dereferences to a [`Connection`]: `&mut *transaction` is an `Executor`. If it is dropped without
/// [`commit`](Transaction::commit) or [`rollback`](Transaction::rollback), sqlx rolls it back when the connection is used
/// next or returns to its pool; the request is recorded as a `ROLLBACK` with the metadata `dropped: true`.
pub struct Transaction<'c, DB: Driver> {
    connection: Held<'c, DB>,
    /// Where the beginning is recorded. `None` if it is not.
    parent: Option<Entity>,
    is_open: bool,
}

/// The connection of a transaction.
pub(crate) enum Held<'c, DB: Driver> {
    Pooled(PoolConnection<DB>),
    Borrowed(&'c mut Connection<DB>),
}

impl<'c, DB: Driver> Transaction<'c, DB> {
    pub(crate) async fn begin_on(
        connection: Held<'c, DB>,
        statement: Option<SqlStr>,
    ) -> Result<Transaction<'c, DB>, Error> {
        // Open from the start, as in sqlx: if this future is dropped, the database may have begun the transaction.
        let mut transaction = Transaction { connection, parent: None, is_open: true };
        let (tracer, raw) = transaction.parts();
        let parent = tracer.parent();
        let operation = begin_operation(depth::<DB>(raw));
        let text = statement.as_ref().map_or(operation, SqlStr::as_str);
        let call = parent.as_ref().map(|parent| tracer.begin_operation::<DB>(parent, raw, operation, text));
        let begun = DB::TransactionManager::begin(raw, statement).await;
        if let Some(call) = call {
            end::<_, DB>(call, &begun);
        }
        begun?;
        transaction.parent = parent;
        Ok(transaction)
    }

    /// Begins a savepoint.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn begin(&mut self) -> Result<Transaction<'_, DB>, Error> {
        (**self).begin().await
    }

    /// Commits the transaction, or releases the savepoint.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn commit(mut self) -> Result<(), Error> {
        let (tracer, raw) = self.parts();
        let operation = commit_operation(depth::<DB>(raw));
        let call = tracer.parent().map(|parent| tracer.begin_operation::<DB>(&parent, raw, operation, operation));
        let committed = DB::TransactionManager::commit(raw).await;
        self.ended(call, committed)
    }

    /// Rolls the transaction back, to its savepoint if it is one.
    ///
    /// # Errors
    ///
    /// Returns the errors of the database.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let (tracer, raw) = self.parts();
        let operation = rollback_operation(depth::<DB>(raw));
        let call = tracer.parent().map(|parent| tracer.begin_operation::<DB>(&parent, raw, operation, operation));
        let rolled_back = DB::TransactionManager::rollback(raw).await;
        self.ended(call, rolled_back)
    }

    fn ended(&mut self, call: Option<xray_core::SqlCall>, result: Result<(), Error>) -> Result<(), Error> {
        if let Some(call) = call {
            end::<_, DB>(call, &result);
        }
        self.is_open = result.is_err();
        result
    }
}

impl<DB: Driver> Deref for Transaction<'_, DB> {
    type Target = Connection<DB>;

    fn deref(&self) -> &Connection<DB> {
        match &self.connection {
            Held::Pooled(connection) => connection,
            Held::Borrowed(connection) => connection,
        }
    }
}

impl<DB: Driver> DerefMut for Transaction<'_, DB> {
    fn deref_mut(&mut self) -> &mut Connection<DB> {
        match &mut self.connection {
            Held::Pooled(connection) => connection,
            Held::Borrowed(connection) => connection,
        }
    }
}

impl<DB: Driver> fmt::Debug for Transaction<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl<DB: Driver> Drop for Transaction<'_, DB> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let parent = self.parent.take().map(|begun| current_parent().unwrap_or(begun));
        let (tracer, raw) = self.parts();
        let depth = depth::<DB>(raw);
        let call = parent.filter(|_| depth > 0).map(|parent| {
            let operation = rollback_operation(depth);
            tracer.begin_operation::<DB>(&parent, raw, operation, operation)
        });
        // Only queues the statement.
        DB::TransactionManager::start_rollback(raw);
        if let Some(call) = call {
            if let Some(subsegment) = call.subsegment() {
                subsegment.metadata_in("sql", "dropped", &true);
            }
            call.close();
        }
    }
}
