//! The receiver from outside: real datagrams and calls, any order, hostile input, pictures.

// The permission in clippy.toml does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod clients;
mod golden;
mod hostile;
mod http;
mod order;
mod picture;
mod sampling;
mod tree;
