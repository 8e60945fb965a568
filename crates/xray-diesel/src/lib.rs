//! AWS X-Ray for [diesel](https://docs.rs/diesel) and [diesel-async](https://docs.rs/diesel-async): each query becomes a
//! subsegment of the request.
//!
//! ```
//! # fn main() -> diesel::QueryResult<()> {
//! xray_diesel::install()?; // at the start of the program
//! # Ok(())
//! # }
//! ```
//!
//! This records every connection that is opened later, of every backend. Nothing changes where queries are made.
//!
//! # What is recorded
//!
//! Each call is a subsegment below the current entity, with the name `<database>@<host>` and the namespace `remote`.
//!
//! | Event | Subsegment |
//! |---|---|
//! | a connection is opened | metadata `sql.operation`: `CONNECT`; a fault if it fails |
//! | a query, from its start until its last row is read | the `sql` block |
//! | a transaction or savepoint begins or ends | metadata `sql.operation`: `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT`, `RELEASE SAVEPOINT`, `ROLLBACK TO SAVEPOINT` |
//! | a query that is prepared anew | `preparation`: `statement`; diesel does not reveal later uses of the statement |
//!
//! The text of a query is recorded only with the feature `sql-text` and under `AWS_XRAY_COLLECT_SQL_QUERIES`, and then with
//! `?` instead of each literal. Bind values are never recorded. If the text is not recorded, it is not even formatted.
//!
//! # Errors
//!
//! diesel reports the kind of an error instead of its SQLSTATE. The kind is the type of the recorded exception.
//!
//! | Flag | Kinds |
//! |---|---|
//! | `error` | `UniqueViolation`, `ForeignKeyViolation`, `NotNullViolation`, `CheckViolation`, `RestrictViolation`, `ExclusionViolation` |
//! | `fault` | `SerializationFailure`, `ReadOnlyTransaction`, `ClosedConnection`, `UnableToSendCommand`, and all errors without a kind: `DatabaseError` for one that the database reports, such as a deadlock or an invalid value |
//! | none | a row that is not found, `RollbackTransaction` |
//!
//! # diesel-async
//!
//! The same line records its connections to PostgreSQL and MySQL, including pipelined queries. It does not report a query
//! whose future is dropped. [`XRayInstrumentation`] notices this when the connection is used next or closed, and records the
//! metadata `cancelled: true`; the end of such a subsegment is an estimate. `SyncConnectionWrapper` runs queries in a thread
//! of its own, where there is no current entity; they are not recorded below the request.
//!
//! # Other instrumentation
//!
//! diesel has one instrumentation for each connection. To keep one of your own, call [`XRayInstrumentation::record`] in it.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod database;
mod failure;
mod instrumentation;
mod open_calls;
mod text;

pub use instrumentation::{XRayInstrumentation, install};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
