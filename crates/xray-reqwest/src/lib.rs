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
//! | refused, no such host, TLS, time-out | fault, with the error and its `source()` chain, and no response |
//! | the body fails | fault, with the error as `remote` |
//! | the call is dropped: a time-out outside, a lost race | fault, with an exception of type `Cancelled` |
//! | the body is dropped before its end | metadata `aborted` in the namespace `xray` |
//!
//! A trace that is not sampled goes on as `Sampled=0`; nothing is recorded then, and but the header's value is
//! allocated. A request that has an `X-Amzn-Trace-Id` already, one marked [`Untraced`], and one outside any trace
//! leave untouched; of the last the [context-missing strategy](xray_core::ContextMissing) speaks, and never panics.
//!
//! # Where things are
//!
//! | feature | what it adds | what it needs |
//! |---|---|---|
//! | `reqwest` (default) | `XRayMiddleware` for `reqwest-middleware` | reqwest 0.13, reqwest-middleware 0.5 |
//! | `tower` | `XRayClientLayer` for tower clients: hyper-util, tonic, with `reqwest` also `reqwest::Client` | tower-layer, tower-service |
//! | `hyper` | `XRayConnector` and `XRayResolver`: how hyper-util gets its connections; and `tower` | hyper, hyper-util |
//!
//! [`SubsegmentName`], [`Untraced`] and [`CallParent`] say something of one request, as its extensions;
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
mod service;

#[cfg(feature = "hyper")]
pub use connector::{Connecting, Resolving, XRayConnector, XRayResolver, XRayStream};
#[cfg(feature = "reqwest")]
pub use middleware::XRayMiddleware;
#[cfg(feature = "tower")]
pub use {
    body::XRayBody,
    error::{AsError, Boxed, Typed},
    future::ResponseFuture,
    layer::XRayClientLayer,
    service::XRayClient,
};
#[cfg(any(feature = "reqwest", feature = "tower"))]
pub use {
    options::{CallParent, SubsegmentName, Untraced},
    outcome::Outcome,
};

#[cfg(all(doctest, feature = "reqwest"))]
#[doc = include_str!("../README.md")]
struct Readme;
