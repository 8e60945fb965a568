//! AWS X-Ray for Rust: the core, for any framework.
//!
//! A service begins a *segment* for each request and *subsegments* for its parts and its calls to others; when
//! the segment closes, it is sent to the X-Ray daemon as a JSON document in a UDP datagram. Adapters do that
//! for a framework: `xray-axum`, `xray-actix`, `xray-lambda` for what is asked of a service, `xray-reqwest`,
//! `xray-aws-sdk` for what it asks of others. This crate is what they share, and what an
//! application records by.
//!
//! ```
//! # fn load(id: u64) -> Result<String, std::num::ParseIntError> { Ok(id.to_string()) }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (recorder, traces) = xray_core::Recorder::in_memory();
//! let segment = recorder.begin("shop");
//! let _in = segment.enter();
//!
//! xray_core::annotate("order_id", 7);
//! let order = xray_core::try_capture("load order", |subsegment| {
//!     subsegment.annotate("cached", false);
//!     load(7)
//! })?;
//! # drop(_in);
//! # segment.close();
//! # assert_eq!(traces.take().single().tree(), "shop [order_id=7]\n  load order [cached=false]\n");
//! # Ok(())
//! # }
//! ```
//!
//! # The model in five words
//!
//! A [`Recorder`] *begins* a [`Segment`]; entities begin [`Subsegment`]s; *entering* makes one current; *closing*
//! it, or dropping its last handle, finishes it. Handles are always safe to call: not sampled, disabled or
//! closed, they do nothing.
//!
//! # Where things are
//!
//! | module | what it holds |
//! |---|---|
//! | the root | recorder, entities, the capture functions, ids and header |
//! | [`context`] | the current entity: guards, futures, what happens without one |
//! | [`sampling`] | which requests are recorded: rules, or a sampler of your own |
//! | [`http`] | the `http` block of an entity |
//! | [`adapter`] | what adapters of servers and clients drive |
//! | [`plugin`] | what the service runs on: EC2, ECS, EKS, Elastic Beanstalk |
//! | [`emit`] | where documents go |
//! | [`document`], [`diagnostics`], [`stats`], [`time`] | what is sent, what the SDK says, what it counts, its clock |
//! | [`testing`] | your own tests of what is traced |
//!
//! # Environment
//!
//! Read when a recorder is built; it wins over what is said in code.
//!
//! | variable | what it does |
//! |---|---|
//! | `AWS_XRAY_DAEMON_ADDRESS` | where the daemon listens: `host:port`, or `tcp:host:port udp:host:port` |
//! | `AWS_XRAY_TRACING_NAME` | the name of segments, in the place of the layer's |
//! | `AWS_XRAY_CONTEXT_MISSING` | `LOG_ERROR` (default), `RUNTIME_ERROR`, `IGNORE_ERROR` |
//! | `AWS_XRAY_SDK_ENABLED`, `AWS_XRAY_SDK_DISABLED` | `false`, `true`: turns the SDK off |
//! | `AWS_XRAY_DEBUG_MODE`, `AWS_XRAY_LOG_LEVEL` | the least level that the SDK prints, or passes to `on_diagnostic`: `debug`, `info`, `warn`, `error`, `silent` |
//! | `AWS_XRAY_COLLECT_SQL_QUERIES` | records the text of queries, literals replaced |
//! | `AWS_LOG_GROUP` | the group of CloudWatch logs that segments refer to, in the place of those that plugins find |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod adapter;
mod arena;
mod aws;
mod buffer;
mod capture;
mod cause;
pub mod context;
pub mod diagnostics;
pub mod document;
pub mod emit;
mod endpoint;
mod entity;
mod env;
mod error_type;
mod flag;
mod header;
mod host_pattern;
pub mod http;
mod id;
mod ledger;
mod missing;
mod naming;
mod pipeline;
pub mod plugin;
#[doc(hidden)]
pub mod process; // for emitters of other crates
mod random;
mod recorder;
mod redact;
pub mod sampling;
mod service_info;
mod sql;
pub mod stats;
pub mod testing;
pub mod time;
mod to_exception;
mod url;
mod user_code;
mod w3c;

pub use adapter::Naming;
pub use aws::Aws;
pub use capture::{capture, capture_async, capture_callback, try_capture, try_capture_error};
pub use cause::Exception;
pub use context::{ContextMissing, FutureExt, annotate, current, current_segment, in_current, subsegment, try_current};
pub use entity::{AnnotationValue, Entity, Facade, Namespace, Segment, Subsegment};
pub use flag::Flag;
pub use header::{SamplingFlag, TRACE_HEADER, TraceHeader};
pub use id::{EntityId, ParseIdError, TraceId};
pub use naming::clean_name;
pub use recorder::{ConfigError, FlushedFuture, Installed, Recorder, RecorderBuilder};
pub use sql::Sql;
pub use to_exception::ToException;
#[doc(hidden)]
pub use to_exception::form;
pub use w3c::{Propagation, TRACEPARENT, TRACESTATE, TraceParent};
/// What metadata is serialised with: for crates that need no other use of serde.
pub use {serde, serde_json};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
