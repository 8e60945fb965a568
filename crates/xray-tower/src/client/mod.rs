//! The client's side: a subsegment for each call of a tower HTTP client.
//!
//! [`XRayClientLayer`] is the layer. [`SubsegmentName`], [`Untraced`], [`WithoutHeader`] and [`CallParent`] configure one
//! request, as its extensions; [`Outcome`] is what [`on_outcome`](XRayClientLayer::on_outcome) sees.
//!
//! # What is recorded
//!
//! The subsegment begins when the request is sent and ends with the response's body, or when that is dropped.
//!
//! | what happens | what is recorded |
//! |---|---|
//! | a response | method, url without query string and user info, status, content length |
//! | 4xx, 429, 5xx | error, error and throttle, fault |
//! | gRPC | the same by its status, also from the trailers |
//! | refused, no such host, TLS, timeout | fault, with the error and its `source()` chain, and no response |
//! | the body fails | fault, with the error as `remote` |
//! | a time limit of this side ends the body | fault, with the error, not `remote` |
//! | the call is dropped: a timeout outside, a lost race | fault, with an exception of type `Cancelled` |
//! | the body is dropped while it is read | metadata `aborted` in the namespace `xray` |
//! | the body is dropped unread | as a response: the caller wanted its head alone |
//!
//! A trace that is not sampled sends `Sampled=0`. Then nothing is recorded, and nothing is allocated except the header's
//! value. A trace that is [recorded before it is decided](xray_core::sampling::TailSampler) sends `Sampled=?`.
//!
//! # Which requests are not recorded
//!
//! | request | subsegment | header |
//! |---|---|---|
//! | with an `X-Amzn-Trace-Id` that someone else put there | no | stays: someone else traces the call |
//! | with the `X-Amzn-Trace-Id` that this service received, as a proxy copies it | yes | replaced: the called service is below this one |
//! | marked [`Untraced`] | no | none |
//! | marked [`WithoutHeader`] | yes | none: for third parties |
//! | outside any trace | no | none; the [context-missing strategy](xray_core::ContextMissing) applies, without a panic |
//!
//! The same holds for `traceparent` and `tracestate`.

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

/// For `xray-reqwest`, whose middleware is no tower service.
#[doc(hidden)]
pub mod parts {
    pub use super::config::ClientConfig;
    pub use super::future::Recorded;
    pub use crate::client_option_methods;
}
