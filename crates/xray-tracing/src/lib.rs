//! AWS X-Ray for programs that use [`tracing`](https://docs.rs/tracing): spans become subsegments, and log lines carry the
//! trace id.
//!
//! ```
//! use tracing_subscriber::filter::LevelFilter;
//! use tracing_subscriber::{fmt, prelude::*};
//! use xray_tracing::SubsegmentLayer;
//!
//! tracing_subscriber::registry()
//!     .with(fmt::layer().json().map_event_format(xray_tracing::with_trace_id))
//!     .with(SubsegmentLayer::new().annotate(["order_id"]).with_filter(LevelFilter::INFO))
//!     .init();
//!
//! /// A subsegment with an annotation, and with a fault if it returns an error.
//! #[tracing::instrument(fields(order_id = id), skip(id), err)]
//! async fn load(id: u64) -> Result<String, std::io::Error> {
//!     Ok(format!("order {id}"))
//! }
//! ```
//!
//! A server layer such as `XRayLayer` begins the segment of each request; spans inside it become subsegments. See
//! [`SubsegmentLayer`] for the rules.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod entered;
mod event;
mod fields;
mod layer;
mod members;
mod recorded;
mod reentrance;
mod targets;
#[cfg(feature = "fmt")]
mod trace_id;

pub use fields::FieldUse;
pub use layer::SubsegmentLayer;
#[cfg(feature = "fmt")]
pub use trace_id::{WithTraceId, with_trace_id};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
