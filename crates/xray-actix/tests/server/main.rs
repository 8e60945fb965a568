//! The middleware in servers with real sockets, as their clients and the X-Ray daemon see it.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod behaviours;
mod bodies;
mod context;
mod requests;
mod responses;
mod stacks;
mod support;
mod unfinished;
