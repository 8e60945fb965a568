//! AWS X-Ray for Rust without the daemon.
//!
//! The X-Ray daemon is in maintenance, and AWS moves X-Ray to OpenTelemetry's protocol. An application that records
//! with `xray-core` and its adapters leaves the daemon by one line: an emitter of this crate.
//!
//! | emitter | what it sends, and where to |
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
//! Documents wait in a [bounded queue](Batching) and are sent in batches by a thread of the emitter's own; there is no
//! asynchronous runtime to provide. A receiver that is away, slow or throttling costs documents at most, never the
//! application: requests are tried again, later and later or when the receiver says, for a minute, and each document
//! is counted in [`Stats`](xray_core::stats::Stats) when its fate is known. Dropping the recorder sends what waits, for
//! up to a second; [`Recorder::flush`](xray_core::Recorder::flush) waits as long as it is told.
//!
//! Central sampling still asks the daemon, or whatever answers in its place. Without one, the local rules decide.
//!
//! On AWS Lambda a process is frozen after its answer: call [`Recorder::flushed`](xray_core::Recorder::flushed) before
//! the handler returns.
//!
//! # What is lost on the way
//!
//! `docs/otlp.md` in the repository has the whole table. OTLP has no spans in progress: an entity that is announced or
//! streamed while open becomes a span when it ends.

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
mod service;
#[cfg(feature = "aws")]
mod sign;
mod spans;

pub use self::batching::Batching;
pub use self::config::{Compression, ConfigError, Encoding};
pub use self::otlp::{Otlp, OtlpBuilder};
#[cfg(feature = "aws")]
pub use self::service::PutTraceSegments;

/// The example of the README is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
