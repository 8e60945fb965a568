//! Tools for the tests of the workspace that need no framework: a strict daemon, traces assembled from documents, and an
//! HTTP client that can misbehave.
//!
//! | module | purpose |
//! |---|---|
//! | [`daemon`] | receives datagrams like the X-Ray daemon, and validates them |
//! | [`document`] | one datagram: framing, bytes, JSON |
//! | [`schema`] | validation against the published document format |
//! | [`json`] | strict JSON of any depth |
//! | [`forest`] | documents assembled into whole traces by id, normalised, formatted as indented text |
//! | [`diff`] | the differences between two JSON values, line by line |
//! | [`http`] | an HTTP client that can misbehave |

pub mod daemon;
pub mod diff;
pub mod document;
pub mod forest;
pub mod http;
pub mod json;
pub mod schema;
