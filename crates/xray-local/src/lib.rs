//! See your traces while you develop: a receiver that takes segment documents as the X-Ray daemon does, on loopback,
//! joins them into traces and prints each finished one as a waterfall. It also answers the calls by which SDKs ask the
//! X-Ray service, through the daemon, what to sample: central sampling at work without an account.
//!
//! The program needs no configuration: `xray-local` listens where SDKs send to by default. The library is the same
//! thing inside of a process, for examples, tests and development servers:
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::Duration;
//! use xray_local::{Receiver, Style, printer};
//!
//! let receiver = Receiver::builder()
//!     .on_trace(printer(std::io::stdout(), Style::detect(&std::io::stdout())))
//!     .quiet(Duration::from_millis(20))
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
//! A **datagram** carries one **document**: a segment, or a subsegment sent on its own. A document is cut into its
//! **entities**; the [`Store`] keeps the best version of each by id, whatever the order of arrival, within a bound of
//! memory. A [`Trace`] is a tree made from them on demand: a snapshot, which later documents do not change.
//!
//! A trace is **finished** when it has been quiet for a while, nothing in it is in progress and no parent is missing.
//! What stays incomplete is shown after a longer time, as it is; and shown again, as an update, when more comes.
//!
//! # Sampling
//!
//! On the TCP port of the same number SDKs fetch **rules** and report what they made of them; for each report they get
//! a **target**: a **quota**, which is their share of the rule's reservoir for some seconds, and a rate. The rules are
//! those of a file, which is followed as it changes:
//!
//! ```no_run
//! use xray_local::{Receiver, SamplingRules};
//!
//! let receiver = Receiver::builder()
//!     .rules(SamplingRules::from_file("rules.json")?) // as `aws xray get-sampling-rules` prints them
//!     .on_sampling(|event| eprintln!("{event}"))
//!     .bind("127.0.0.1:2000")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | Call | Answer |
//! |---|---|
//! | `POST /GetSamplingRules` | the rules, on one page |
//! | `POST /SamplingTargets` | a target for each report, to be asked for again after ten seconds; reports of rules that are not there are unprocessed |
//!
//! Other paths are answered with 404, and garbage with 400. There is one request on a connection, of 1 MiB at most,
//! and it has five seconds to arrive.
//!
//! # Safety from the outside
//!
//! Nothing a datagram or a call holds can stop the receiver or reach the terminal as a control sequence, and no depth of nesting
//! can exhaust a stack.
//!
//! | Module | Concept |
//! |---|---|
//! | `datagram` | the framing, and what the daemon refuses |
//! | `document`, `cut` | from JSON text to entities, at any depth |
//! | `entity` | one segment or subsegment: [`Entity`] |
//! | `trace` | the tree: [`Trace`], [`Node`] |
//! | `shelf`, `store` | what is kept and for how long; [`Store`] is the seam for other front-ends |
//! | `receiver` | sockets and threads: [`Receiver`] |
//! | `server`, `http` | the TCP side: connections, and the one request on each |
//! | `sampling` | in the place of the X-Ray service: [`SamplingRules`], reservoirs, [`SamplingEvent`] |
//! | `waterfall`, `style`, `canvas` | the picture: [`render`], [`printer`], [`Style`] |

#![forbid(unsafe_code)]

mod canvas;
mod cut;
mod datagram;
mod document;
mod entity;
mod http;
mod id;
mod receiver;
mod sampling;
mod server;
mod shelf;
mod store;
mod style;
mod trace;
mod waterfall;

pub use datagram::Refusal;
pub use entity::{Entity, Exception, Http, Outcome, Sql};
pub use id::{EntityId, ParseIdError, TraceId};
pub use receiver::{Receiver, ReceiverBuilder};
pub use sampling::{RulePlace, RulesError, SamplingEvent, SamplingReport, SamplingRules, SamplingTarget};
pub use store::{Stats, Store};
pub use style::Style;
pub use trace::{Node, Trace};
pub use waterfall::{printer, render};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
