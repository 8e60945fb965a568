//! See your traces while you develop: a local receiver that accepts segment documents like the X-Ray daemon and joins
//! them into traces. It shows them on a page in the browser and prints them as waterfalls, and it answers the calls that
//! SDKs make to the X-Ray service through the daemon, so central sampling works without an account.
//!
//! The `xray-local` program needs no configuration: it listens on the address to which SDKs send by default. The
//! library does the same inside your own process, for examples, tests and development servers:
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::Duration;
//! use xray_local::{Receiver, Style, printer};
//!
//! let receiver = Receiver::builder()
//!     .on_trace(printer(std::io::stdout(), Style::detect(&std::io::stdout())))
//!     .settle_time(Duration::from_millis(20))
//!     .bind("127.0.0.1:0")?;
//!
//! // An SDK sends this when its daemon address is `receiver.address()`.
//! let document = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8",
//!     "name":"shop","start_time":1480615200.010,"end_time":1480615200.090}"#;
//! let datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{document}");
//! UdpSocket::bind("127.0.0.1:0")?.send_to(datagram.as_bytes(), receiver.address())?;
//!
//! assert!(receiver.wait_for(1, Duration::from_secs(5)));
//! let trace = &receiver.store().traces()[0];
//! assert_eq!(trace.duration(), Duration::from_millis(80));
//! assert!(trace.roots().all(|root| root.name() == "shop"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The model
//!
//! A **datagram** carries one **document**: a segment, or a subsegment sent on its own. The receiver splits a document
//! into its **entities** to check it, and then keeps it compressed, within a memory limit, in the [`Store`]. A [`Trace`]
//! is a tree built on demand from the best version of each entity, independent of the order of arrival: a snapshot that
//! later documents do not change. Of each trace there is also a small **summary**, which lists and filters read.
//!
//! A trace is **finished** when nothing has arrived for a short time, nothing in it is in progress and no parent is
//! missing. A trace that stays incomplete is shown as it is after a longer time, and shown again as an update when more
//! of it arrives.
//!
//! # The page, sampling and calls
//!
//! With the feature `web`, the TCP port with the same number serves a page at [`Receiver::page`], its data, and
//! operations of the X-Ray service. SDKs fetch sampling **rules** and report their sampling statistics. In response to
//! each report they receive a **target**: a rate and a **quota**, which is their share of the rule's reservoir for some
//! seconds. The rules can come from a file; the receiver picks up changes to it:
//!
//! ```no_run
//! # #[cfg(feature = "web")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use xray_local::{Receiver, SamplingRules};
//!
//! let receiver = Receiver::builder()
//!     .rules(SamplingRules::from_file("rules.json")?) // as `aws xray get-sampling-rules` prints them
//!     .on_sampling(|event| eprintln!("{event}"))
//!     .bind("127.0.0.1:2000")?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "web"))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! | Feature | Adds | Rust |
//! |---|---|---|
//! | `web` (default) | the TCP side: the page, sampling rules, operations of the X-Ray service | 1.88 |
//! | `store` (default) | traces in a file, and compression in memory | 1.90 |
//! | `otlp` (default) | forwarding to a receiver of OpenTelemetry's protocol | 1.88 |
//!
//! # Untrusted input
//!
//! The content of a datagram or a call can neither stop the receiver nor reach the terminal as a control sequence, and
//! no depth of nesting can exhaust the stack. Requests that a page of another site makes a browser send are refused.
//! There is no login: anyone who can reach the port can read all traces.
//!
//! | Module | Concept |
//! |---|---|
//! | `ingest` | from the UDP socket to the store: framing, threads, the queue between them, losses, forwarding |
//! | `trace` | from JSON text to entities at any depth, to the tree: [`Entity`], [`Trace`], [`Node`]; summaries |
//! | `store` | which traces are kept and for how long, in memory and in a file; [`Store`] is the interface for other front ends |
//! | `filter` | filter expressions |
//! | `receiver` | the sockets and threads: [`Receiver`] |
//! | `web` | the TCP side: the page and its data, and the checks of each request |
//! | `api` | operations of the X-Ray service |
//! | `sampling` | the service's side of sampling: rules, reservoirs, events |
//! | `waterfall`, `style`, `canvas` | the waterfall: [`render`], [`printer`], [`Style`] |
//! | `html` | a trace as a file: [`render_html`] |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// Each feature uses parts of what all builds share. The default build finds what none of them uses.
#![cfg_attr(not(all(feature = "store", feature = "web")), allow(dead_code, unused_imports))]

#[cfg(feature = "web")]
mod api;
mod canvas;
mod filter;
mod html;
mod id;
mod ingest;
mod processors;
mod receiver;
#[cfg(feature = "web")]
mod sampling;
mod store;
mod style;
#[cfg(feature = "web")]
mod time;
mod trace;
mod waterfall;
#[cfg(feature = "web")]
mod web;

pub use filter::FilterError;
pub use html::render_html;
pub use id::{EntityId, ParseIdError, TraceId};
pub use ingest::Refusal;
pub use receiver::{Receiver, ReceiverBuilder};
#[cfg(feature = "web")]
#[cfg_attr(docsrs, doc(cfg(feature = "web")))]
pub use sampling::{RulePlace, RulesError, SamplingEvent, SamplingReport, SamplingRules, SamplingTarget};
pub use store::{Stats, Store};
pub use style::Style;
pub use trace::{Entity, Exception, Http, Node, Outcome, Sql, Trace};
pub use waterfall::{printer, render};

/// Compiles the example of the README.
#[cfg(all(doctest, feature = "web"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
