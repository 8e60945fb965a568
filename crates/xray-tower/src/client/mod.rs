//! The client side: a subsegment for each call of a tower HTTP client.
//!
//! [`XRayClientLayer`] is the layer. [`SubsegmentName`], [`Untraced`], [`WithoutHeader`] and [`CallParent`] configure one
//! request, as its extensions; [`Outcome`] is what [`on_outcome`](XRayClientLayer::on_outcome) sees.
//!
//! # What is recorded
//!
//! The subsegment begins when the request is sent. It ends with the response body, or when the body is dropped.
//!
//! | Event | Recorded |
//! |---|---|
//! | a response | method, URL without query string and user info, status, content length |
//! | status 4xx, 429, 5xx | error; error and throttle; fault |
//! | a gRPC status other than `OK`, in headers or trailers | its [flags](xray_core::grpc), and its name and message as a `remote` exception |
//! | refused connection, unknown host, TLS error, timeout | fault, with the error and its `source()` chain, and no response |
//! | the body fails | fault, with the error as `remote` |
//! | a local timeout ends the body | fault, with the error, not `remote` |
//! | the call is dropped, for example by a timeout in an outer layer or in `select!` | fault, with an exception of type `Cancelled` |
//! | the body is dropped half-read | metadata `aborted` in the namespace `xray` |
//! | the body is dropped unread | the same as for a complete response |
//!
//! In a trace that is not sampled, calls send `Sampled=0`, nothing is recorded, and the only allocation is the header value.
//! If a [`TailSampler`](xray_core::sampling::TailSampler) has not decided yet, calls send `Sampled=?`.
//!
//! # Headers
//!
//! | Request | Subsegment | `X-Amzn-Trace-Id` |
//! |---|---|---|
//! | without the header | yes | added |
//! | with the header of another instrumentation | no | kept |
//! | with the header that this service received, copied by a proxy | yes | replaced, so the called service is a child of this one |
//! | marked [`Untraced`] | no | none |
//! | marked [`WithoutHeader`], for third parties | yes | none |
//! | outside any trace | no | none; the [context-missing strategy](xray_core::ContextMissing) applies, but never panics here |
//!
//! The same applies to `traceparent` and `tracestate`.

mod body;
mod call;
mod config;
#[cfg(feature = "hyper")]
mod connector;
mod error;
mod extensions;
mod future;
mod layer;
mod outcome;
mod parent;
#[cfg(feature = "reqwest")]
mod reqwest;
mod service;
mod start;

pub use body::XRayBody;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use connector::{Connecting, Resolving, XRayConnector, XRayResolver, XRayStream};
pub use error::{AsError, Boxed, Typed};
pub use extensions::{CallParent, SubsegmentName, Untraced, WithoutHeader};
pub use layer::XRayClientLayer;
pub use outcome::Outcome;
pub use parent::{CallParentLayer, WithCallParent};
pub use service::XRayClient;
pub use start::{AtCall, AtFirstPoll, CallStart, ResponseFuture};

/// For `xray-reqwest` and `xray-ureq`, whose middleware is not a tower service.
#[doc(hidden)]
pub mod parts {
    pub use super::call::Call;
    pub use super::config::ClientConfig;
    pub use super::future::Recorded;
    pub use super::start::TracedRequest;
    pub use crate::client_option_methods;
}
