//! AWS X-Ray for Rust: the core, for any framework.
//!
//! A service begins a *segment* for each request, and *subsegments* for parts of the work and for calls to other services.
//! When the segment closes, the SDK sends it to the X-Ray daemon as a JSON document in a UDP datagram.
//!
//! Adapters do this for a framework: `xray-axum`, `xray-tower`, `xray-actix` and `xray-lambda` for requests that a service
//! receives, `xray-reqwest` and `xray-aws-sdk` for requests that it makes. Adapters are built on this crate, and
//! applications use it to annotate, to capture functions and to configure the recorder.
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
//! A [`Recorder`] *begins* a [`Segment`]; entities begin [`Subsegment`]s; *entering* an entity makes it current; *closing*
//! it, or dropping its last handle, finishes it. Handles are always safe to call: if the trace is not sampled, the SDK is
//! disabled or the entity is closed, calls do nothing.
//!
//! # Where things are
//!
//! | module | what it holds |
//! |---|---|
//! | the root | recorder, entities, the capture functions, ids and header |
//! | [`context`] | the current entity: guards and futures that set it, what happens without one |
//! | [`sampling`] | which requests are recorded: rules, or your own sampler |
//! | [`http`], [`grpc`] | the `http` block of an entity; the status of a gRPC call |
//! | [`adapter`] | what adapters of servers and clients drive |
//! | [`plugin`] | the platform that the service runs on: EC2, ECS, EKS, Elastic Beanstalk |
//! | [`emit`] | where documents are sent |
//! | [`document`], [`diagnostics`], [`stats`], [`time`] | sent documents, the SDK's log, its counters, its clock |
//! | [`testing`] | recorded traces in your own tests |
//!
//! # Environment
//!
//! [`RecorderBuilder::build`] reads these variables. They override settings in code.
//!
//! | variable | what it sets |
//! |---|---|
//! | `AWS_XRAY_DAEMON_ADDRESS` | the daemon's address: `host:port`, or `tcp:host:port udp:host:port` |
//! | `AWS_XRAY_TRACING_NAME` | the name of segments, instead of the layer's |
//! | `AWS_XRAY_CONTEXT_MISSING` | `LOG_ERROR` (default), `RUNTIME_ERROR`, `IGNORE_ERROR` |
//! | `AWS_XRAY_SDK_ENABLED`, `AWS_XRAY_SDK_DISABLED` | `false` and `true` turn the SDK off |
//! | `AWS_XRAY_DEBUG_MODE`, `AWS_XRAY_LOG_LEVEL` | the lowest level that the SDK prints, or passes to `on_diagnostic`: `debug`, `info`, `warn`, `error`, `silent` |
//! | `AWS_XRAY_COLLECT_SQL_QUERIES` | records the text of queries, with literals replaced |
//! | `AWS_LOG_GROUP` | the CloudWatch log group that segments refer to, instead of those that plugins find |

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
pub mod grpc;
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
mod scan;
mod service_info;
mod spare;
mod sql;
mod sql_call;
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
pub use context::{
    ContextMissing, FutureExt, annotate, current, current_segment, in_current, log_id, subsegment, try_current,
};
pub use entity::{AnnotationValue, Entity, Facade, Namespace, Segment, Subsegment};
pub use flag::Flag;
pub use header::{SamplingFlag, TRACE_HEADER, TraceHeader};
pub use id::{EntityId, ParseIdError, TraceId};
pub use naming::clean_name;
pub use recorder::{ConfigError, FlushedFuture, Installed, Recorder, RecorderBuilder};
pub use sql::{Sql, SqlFailure};
pub use sql_call::SqlCall;
pub use to_exception::ToException;
#[doc(hidden)]
pub use to_exception::form;
pub use w3c::{Propagation, TRACEPARENT, TRACESTATE, TraceParent};
/// The serde versions that serialize metadata, for crates that need no other use of serde.
pub use {serde, serde_json};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
