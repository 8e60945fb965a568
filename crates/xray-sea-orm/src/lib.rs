//! AWS X-Ray for [SeaORM](https://docs.rs/sea-orm): each query becomes a subsegment of the request.
//!
//! ```no_run
//! use sea_orm::{DbErr, TransactionSession, TransactionTrait};
//! use xray_sea_orm::{Database, DatabaseConnection};
//!
//! # async fn run() -> Result<(), DbErr> {
//! let db: DatabaseConnection = Database::connect("postgres://app:secret@db.example.com/shop").await?;
//! // Entities, queries and transactions are used as before:
//! let transaction = db.begin().await?;
//! transaction.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`DatabaseConnection`] and [`DatabaseTransaction`] implement the traits of SeaORM, so they are passed to every method that
//! takes a connection. A function whose parameter is `&sea_orm::DatabaseConnection` does not accept them (`mismatched types`):
//! change the parameter to `&impl ConnectionTrait` or to this crate's type, or pass [`DatabaseConnection::inner`], whose calls
//! are not recorded.
//!
//! # What is recorded
//!
//! Each call is a subsegment below the current entity, with the name `<database>@<host>`, the namespace `remote` and a `sql`
//! block.
//!
//! | Call | From | To |
//! |---|---|---|
//! | a query | the call, including the wait for a connection of the pool | its response |
//! | a query whose rows are streamed | the call | the last row, or when the stream is dropped |
//! | `begin`, `commit`, `rollback` | the call | its response; metadata `sql.operation`, such as `BEGIN` or `SAVEPOINT` |
//! | a transaction that is dropped | the drop | the same; metadata `sql.operation` and `sql.dropped: true` |
//!
//! If the future of a call is dropped, the metadata `cancelled: true` is recorded. The opening of connections is not recorded,
//! since the pool opens them in the background.
//!
//! # Errors
//!
//! SQLSTATE, or the code of SQLite, is the type of the recorded exception and determines the flag: see
//! [`SqlFailure`](xray_core::SqlFailure). `RecordNotFound`, `RecordNotInserted` and `RecordNotUpdated` are no failures.
//!
//! # Double recording
//!
//! SeaORM's feature `tracing-spans` with a layer that records spans, and `set_metric_callback`, describe the same calls. Use
//! one of them.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod connection;
mod failure;
#[cfg(feature = "stream")]
mod stream;
mod tracer;
mod transaction;

pub use connection::{Database, DatabaseConnection};
#[cfg(feature = "stream")]
pub use stream::RowStream;
pub use transaction::DatabaseTransaction;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
