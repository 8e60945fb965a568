//! AWS X-Ray for HTTP clients: reqwest, hyper, and any tower client.
//!
//! Each call becomes a subsegment of the current entity, named by the host that is called, and carries the trace
//! on in its `X-Amzn-Trace-Id` header.
//!
//! ```no_run
//! # #[cfg(feature = "reqwest")]
//! # async fn handler() -> reqwest_middleware::Result<()> {
//! use reqwest_middleware::ClientBuilder;
//! use xray_reqwest::XRayMiddleware;
//!
//! let client = ClientBuilder::new(reqwest::Client::new()).with(XRayMiddleware::new()).build();
//! let items = client.get("https://inventory.example.com/items").send().await?.bytes().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is recorded
//!
//! The subsegment begins when the request leaves and ends with the response's body, or when that is dropped.
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
//!
//! # Where things are
//!
//! | feature | what it adds | what it needs |
//! |---|---|---|
//! | `reqwest` (default) | `XRayMiddleware` for `reqwest-middleware` | reqwest 0.13, reqwest-middleware 0.5 |
//! | `tower` | `XRayClientLayer` for tower clients: hyper-util, tonic, with `reqwest` also `reqwest::Client` | tower-layer, tower-service |
//! | `hyper` | `XRayConnector` and `XRayResolver`: how hyper-util gets its connections; and `tower` | hyper, hyper-util |
//!
//! [`SubsegmentName`], [`Untraced`], [`WithoutHeader`] and [`CallParent`] configure one request, as its extensions;
//! [`Outcome`] is what a hook sees.

// The middleware is made of the same parts as the tower client, which alone shows them.
#![cfg_attr(not(feature = "tower"), allow(dead_code, unreachable_pub))]

#[cfg(any(feature = "reqwest", feature = "tower"))]
mod body;
#[cfg(any(feature = "reqwest", feature = "tower"))]
mod call;
#[cfg(feature = "hyper")]
mod connector;
#[cfg(any(feature = "reqwest", feature = "tower"))]
mod error;
#[cfg(any(feature = "reqwest", feature = "tower"))]
mod future;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "reqwest")]
mod middleware;
#[cfg(any(feature = "reqwest", feature = "tower"))]
mod options;
#[cfg(any(feature = "reqwest", feature = "tower"))]
mod outcome;
#[cfg(feature = "tower")]
mod parent;
#[cfg(feature = "tower")]
mod service;
#[cfg(feature = "tower")]
mod start;

#[cfg(feature = "hyper")]
pub use connector::{Connecting, Resolving, XRayConnector, XRayResolver, XRayStream};
#[cfg(feature = "reqwest")]
pub use middleware::XRayMiddleware;
#[cfg(feature = "tower")]
pub use {
    body::XRayBody,
    error::{AsError, Boxed, Typed},
    layer::XRayClientLayer,
    parent::{CallParentLayer, WithCallParent},
    service::XRayClient,
    start::{AtCall, AtFirstPoll, CallStart, ResponseFuture},
};
#[cfg(any(feature = "reqwest", feature = "tower"))]
pub use {
    options::{CallParent, SubsegmentName, Untraced, WithoutHeader},
    outcome::Outcome,
};

#[cfg(all(doctest, feature = "reqwest"))]
#[doc = include_str!("../README.md")]
struct Readme;
