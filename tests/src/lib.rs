//! What the tests of the workspace are made of: a daemon that is hard to please, traces put together again, the
//! comparison with recorded goldens, and the steps of the conformance scenarios.
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
//! | module | what it is for |
//! |---|---|
//! | [`daemon`] | receives datagrams as the X-Ray daemon does, and judges them |
//! | [`document`] | one datagram: framing, bytes, JSON |
//! | [`schema`] | what the published format says of a document |
//! | [`json`] | strict JSON of any depth |
//! | [`forest`] | documents put together by id into whole traces, made comparable, drawn as indented text |
//! | [`diff`] | where two JSON values differ, line by line |
//! | [`golden`] | our documents beside those of a recording, and the differences that are allowed |
//! | [`steps`], [`scenario`] | the steps of a scenario, parsed; scenarios, performed |
//! | [`client`] | the instrumented HTTP clients |
//! | [`vectors`], [`checks`] | directories of JSON cases, and what the SDK makes of them |
//! | [`report`] | passed and failed, as the conformance program prints them |
//! | [`http`] | a client that may misbehave |
//! | [`service`] | a service with all that is to be traced, for every framework |

pub mod checks;
pub mod client;
pub mod daemon;
pub mod diff;
#[cfg(doctest)]
mod docs;
pub mod document;
pub mod forest;
pub mod golden;
pub mod http;
pub mod json;
pub mod report;
pub mod scenario;
pub mod schema;
pub mod service;
pub mod steps;
pub mod vectors;
