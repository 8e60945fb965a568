//! AWS X-Ray for Rust without the daemon.
//!
//! The X-Ray daemon is in maintenance, and AWS is moving X-Ray to OpenTelemetry's protocol. An emitter of this crate
//! replaces the daemon with one line; the rest of an application that records with `xray-core` stays the same.
//!
//! | Emitter | What it sends, and where |
//! |---|---|
//! | [`Otlp::new`] | spans by OTLP over HTTP, to a collector, the CloudWatch agent or any other receiver |
//! | `Otlp::aws`, feature `aws` | the same, signed, to X-Ray's own endpoint |
//! | `PutTraceSegments`, feature `aws` | segment documents to the X-Ray service, as the daemon does |
//!
//! ```
//! use xray_core::Recorder;
//! use xray_otlp::Otlp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recorder = Recorder::builder().emitter(Otlp::new("http://127.0.0.1:4318")?).build()?;
//! # let _ = recorder;
//! # Ok(())
//! # }
//! ```
//!
//! # What all emitters share
//!
//! Documents wait in a [bounded queue](Batching), and a thread of the emitter sends them in batches; no asynchronous
//! runtime is needed. An absent, slow or throttling receiver never slows the application. Requests are retried for a
//! minute, with back-off or after the pause that the receiver asks for. [`Stats`](xray_core::stats::Stats) counts each
//! document once. Dropping the recorder sends the queued documents within a second;
//! [`Recorder::flush`](xray_core::Recorder::flush) waits up to its timeout.
//!
//! Central sampling fetches its rules through the daemon. Without a daemon, `sampling_api`, feature `aws`, connects it to the
//! X-Ray service; else the local rules decide.
//!
//! AWS Lambda freezes a process after its response, so await [`Recorder::flushed`](xray_core::Recorder::flushed) before
//! the handler returns.
//!
//! # The mapping
//!
//! `docs/otlp.md` in the repository describes the mapping of documents to spans. OTLP has no spans in progress: an
//! announced or still open entity becomes a span when it ends.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attributes;
mod background;
mod backoff;
mod batching;
mod client;
mod config;
mod document;
mod otlp;
mod proto;
mod queue;
#[cfg(feature = "aws")]
mod sampling;
#[cfg(feature = "aws")]
mod service;
#[cfg(feature = "aws")]
mod sign;
mod spans;

pub use self::batching::Batching;
pub use self::config::{Compression, ConfigError, Encoding};
pub use self::otlp::{Otlp, OtlpBuilder};
#[cfg(feature = "aws")]
pub use self::sampling::{SignedSamplingApi, sampling_api};
#[cfg(feature = "aws")]
pub use self::service::PutTraceSegments;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
