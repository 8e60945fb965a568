//! Database calls of sqlx as X-Ray subsegments.
//!
//! [`Pool`] wraps a pool of sqlx, and is an `Executor` itself: `&pool` works wherever it did before, with `query`,
//! `query!`, `query_as!`, `QueryBuilder` and functions that take any executor. So do `&mut *connection` and
//! `&mut *transaction`. Only the import changes:
//!
//! ```no_run
//! # #[cfg(feature = "postgres")] mod only {
//! use xray_sqlx::PgPool; // instead of sqlx::PgPool
//!
//! # async fn serve(url: &str, id: i32) -> sqlx::Result<()> {
//! let pool = PgPool::connect(url).await?;
//! let mut tx = pool.begin().await?;
//! sqlx::query("UPDATE stock SET n = n - 1 WHERE id = $1").bind(id).execute(&mut *tx).await?;
//! tx.commit().await?;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! A pool that sqlx's options have created is converted: `let pool = PgPool::from(PgPoolOptions::new().connect(url).await?)`.
//!
//! # What is recorded
//!
//! Each call is a subsegment `<database>@<host>` with the namespace `remote`, below the entity that is current where the call
//! is made. Its `sql` block has the database's URL without secrets, the user, the product, the version if the driver knows it,
//! and `preparation: statement` for prepared statements. The text of a query is recorded only on request
//! (`AWS_XRAY_COLLECT_SQL_QUERIES` and the feature `sql-text`), and then without its literals. Bound values are never
//! recorded.
//!
//! A stream of rows lasts until its end, or until it is dropped. `BEGIN`, `COMMIT` and `ROLLBACK` are calls of their own,
//! with their name as metadata `operation` in the namespace `sql`. A wait for a connection of at least 1 ms is a subsegment
//! `acquire <database>@<host>` ([`Pool::with_min_wait`]).
//!
//! Violated constraints are errors; lost connections, timeouts and deadlocks are faults: see
//! [`SqlFailure`](xray_core::SqlFailure). A missing row (`RowNotFound`) is neither.
//!
//! # What is not recorded
//!
//! Each wrapper dereferences to what it wraps, so methods and functions of sqlx still accept it, and their calls are not seen:
//!
//! - Functions that take `&sqlx::PgPool` or `&mut sqlx::PgConnection`, such as `PgListener::connect_with`. Change the type of
//!   the parameter to this crate's.
//! - Functions over `impl sqlx::Acquire`, such as `Migrator::run`: the trait gives out sqlx's own connection.
//! - What sqlx does on its own: `after_connect`, tests of idle connections, the rollback of a dropped transaction, of which
//!   only the request is recorded.
//!
//! Where sqlx's type is named in a field or as a result, the compiler reports mismatched types:
//!
//! ```compile_fail,E0308
//! struct State {
//!     pool: sqlx::PgPool, // xray_sqlx::PgPool compiles
//! }
//!
//! async fn state(url: &str) -> sqlx::Result<State> {
//!     // expected `sqlx::Pool<sqlx::Postgres>`, found `xray_sqlx::Pool<sqlx::Postgres>`
//!     Ok(State { pool: xray_sqlx::PgPool::connect(url).await? })
//! }
//! ```
//!
//! # Features
//!
//! `postgres`, `mysql`, `sqlite` select drivers; the features of `sqlx` select the runtime and TLS. `sql-text` allows the
//! text of queries to be collected.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod connection;
#[cfg(feature = "postgres")]
mod copy;
mod driver;
mod executor;
mod observed;
mod pool;
mod rows;
mod tracer;
mod transaction;

pub use connection::{Connection, PoolConnection};
#[cfg(feature = "postgres")]
pub use copy::PgCopyIn;
pub use driver::Driver;
pub use pool::Pool;
pub use transaction::Transaction;

/// Defines the names of a driver's types, as sqlx has them.
macro_rules! names {
    ($feature:literal, $database:ty, $pool:ident, $connection:ident, $transaction:ident) => {
        #[doc = concat!("A [`Pool`] of [`", stringify!($database), "`].")]
        #[cfg(feature = $feature)]
        pub type $pool = Pool<$database>;

        #[doc = concat!("A [`Connection`] of [`", stringify!($database), "`].")]
        #[cfg(feature = $feature)]
        pub type $connection = Connection<$database>;

        #[doc = concat!("A [`Transaction`] of [`", stringify!($database), "`].")]
        #[cfg(feature = $feature)]
        pub type $transaction<'c> = Transaction<'c, $database>;
    };
}
names!("postgres", sqlx_postgres::Postgres, PgPool, PgConnection, PgTransaction);
names!("mysql", sqlx_mysql::MySql, MySqlPool, MySqlConnection, MySqlTransaction);
names!("sqlite", sqlx_sqlite::Sqlite, SqlitePool, SqliteConnection, SqliteTransaction);

/// Compiles the examples of the README.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../README.md")]
struct Readme;
