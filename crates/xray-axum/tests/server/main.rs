//! The layer in servers, as their clients and the X-Ray daemon see it.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod behaviours;
mod bodies;
mod compose;
mod context;
mod options;
mod responses;
mod stacks;
mod streams;
mod support;
mod tls;
mod unfinished;
