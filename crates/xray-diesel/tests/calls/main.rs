//! Calls of diesel and diesel-async to real databases, as the daemon receives them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod asynchronous;
mod limits;
mod sqlite;
