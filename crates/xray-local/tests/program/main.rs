//! Tests of the program: its commands, its store file, and what it does when it is ended or its disk is full.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod commands;
mod daemon;
mod readme;
mod store;
