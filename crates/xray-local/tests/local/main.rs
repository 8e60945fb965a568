//! Tests of the receiver from outside: real datagrams and calls, any order of arrival, hostile input, rendered output.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod api;
mod aws;
mod capacity;
mod clients;
mod corpus;
mod filters;
mod golden;
mod guide;
mod hostile;
mod http;
mod order;
mod picture;
mod sampling;
mod sdks;
mod transfer;
mod tree;
mod web;
