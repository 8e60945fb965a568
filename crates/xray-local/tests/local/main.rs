//! The receiver from outside: real datagrams, any order, hostile input, pictures.

// The permission in clippy.toml does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod golden;
mod hostile;
mod order;
mod picture;
mod tree;
