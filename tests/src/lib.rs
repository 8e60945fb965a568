//! Tools for the tests of the workspace: a strict daemon, traces assembled from documents, the comparison with recorded
//! goldens, and the steps of the conformance scenarios.
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::Duration;
//!
//! use xray_tests::daemon::Daemon;
//! use xray_tests::forest::Forest;
//!
//! let daemon = Daemon::start();
//! let sender = UdpSocket::bind("127.0.0.1:0")?;
//! let datagram = concat!(r#"{"format":"json","version":1}"#, "\n", r#"{"name":"shop","id":"00000000000000aa","#,
//!     r#""trace_id":"1-5759e988-bd862e3fe1be46a994272793","start_time":1.5,"end_time":2}"#);
//! sender.send_to(datagram.as_bytes(), daemon.address())?;
//!
//! let documents = daemon.documents(1, Duration::from_secs(5));
//! assert_eq!(Forest::of(&documents).text(), "shop\n");
//! daemon.assert_valid();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | module | purpose |
//! |---|---|
//! | [`daemon`], [`document`], [`schema`], [`json`], [`forest`], [`diff`], [`http`] | re-exported from [`xray_behaviours`] |
//! | [`golden`] | comparison of our documents with a recording, and the differences that are allowed |
//! | [`steps`], [`scenario`] | parses the steps of a scenario; performs scenarios |
//! | [`client`] | the instrumented HTTP clients |
//! | [`vectors`], [`checks`] | directories of JSON cases, and the SDK's results for them |
//! | [`report`] | the results as the conformance program prints them |
//! | [`service`] | a service with everything that can be traced, for every framework |

pub mod checks;
pub mod client;
#[cfg(doctest)]
mod docs;
pub mod golden;
pub mod report;
pub mod scenario;
pub mod service;
pub mod steps;
pub mod vectors;

pub use xray_behaviours::{daemon, diff, document, forest, http, json, schema};
