//! Calls of real agents to a real server.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod body;
mod failures;
mod requests;
mod responses;
mod support;
