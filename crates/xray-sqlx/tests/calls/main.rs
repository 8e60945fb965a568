//! Calls to PostgreSQL, MariaDB and SQLite: what is recorded, and that the application sees no difference.
//!
//! The servers start with the first test that needs them: see `xray_databases`. A server that is not installed skips its
//! tests, which then pass.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

#[macro_use]
mod cases;
mod mariadb;
mod postgres;
mod program;
mod secrets;
mod sqlite;
mod support;
