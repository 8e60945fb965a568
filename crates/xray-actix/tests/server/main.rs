//! The middleware in servers with real sockets, as their clients and the X-Ray daemon see it.

// The permission in clippy.toml does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod answers;
mod behaviours;
mod bodies;
mod context;
mod requests;
mod stacks;
mod support;
mod unfinished;
