//! The behaviours that every server adapter must have, as tests, and the tools that they need: a strict daemon, traces
//! assembled from documents, and HTTP clients that can misbehave. It knows no framework.
//!
//! An adapter's tests serve an [`App`](server::App) through the adapter and run all behaviours by one line: see [`server`].
//!
//! | module | purpose |
//! |---|---|
//! | [`server`] | the behaviours of server adapters, one test each |
//! | [`documents`] | the documents of a recorder, as the daemon receives them, and the expected ones |
//! | [`callee`] | a service to call, which does what the path asks for |
//! | [`client`] | an asynchronous HTTP client for one request per connection |
//! | [`http`] | a blocking HTTP client that can misbehave |
//! | `tls` | a certificate for tests, and requests over TLS (feature `tls`) |
//! | [`global`] | the recorder of a test process, which notes missing contexts |
//! | [`daemon`] | receives datagrams like the X-Ray daemon, and validates them |
//! | [`document`] | one datagram: framing, bytes, JSON |
//! | [`schema`] | validation against the published document format |
//! | [`json`] | strict JSON of any depth |
//! | [`forest`] | documents assembled into whole traces by id, normalised, formatted as indented text |
//! | [`diff`] | the differences between two JSON values, line by line |

// A test fails by a panic, and these are parts of tests.
#![allow(clippy::unwrap_used)]

pub mod callee;
pub mod client;
pub mod daemon;
pub mod diff;
pub mod document;
pub mod documents;
pub mod forest;
pub mod global;
pub mod http;
pub mod json;
pub mod schema;
pub mod server;
#[cfg(feature = "tls")]
pub mod tls;
