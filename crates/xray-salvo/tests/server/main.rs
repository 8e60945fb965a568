//! The hoop in servers with real sockets, as their clients and the X-Ray daemon see it.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod behaviours;
mod responses;
mod routes;
mod support;
