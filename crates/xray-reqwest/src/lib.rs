//! AWS X-Ray for reqwest.
//!
//! Each call becomes a subsegment of the current entity, named by the called host, and sends the trace in its
//! `X-Amzn-Trace-Id` header.
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
//! The subsegment begins when the request is sent. It ends with the response body, or when the body is dropped.
//! [`xray_tower::client`] lists what is recorded of a call, and which requests are not recorded.
//!
//! # Overview
//!
//! | Feature | Adds | Requires |
//! |---|---|---|
//! | `reqwest` (default) | `XRayMiddleware` for `reqwest-middleware` | reqwest 0.13, reqwest-middleware 0.5 |
//! | `tower` | `XRayClientLayer` of [`xray_tower`], for hyper-util, tonic, and `reqwest::Client` | |
//! | `hyper` | `tower`, and `XRayConnector` and `XRayResolver`, which record how hyper-util opens connections | hyper, hyper-util |
//!
//! [`SubsegmentName`], [`Untraced`], [`WithoutHeader`] and [`CallParent`] configure one request, as its extensions:
//!
//! ```no_run
//! # #[cfg(feature = "reqwest")]
//! # async fn call(client: reqwest_middleware::ClientWithMiddleware) -> reqwest_middleware::Result<()> {
//! use xray_reqwest::{SubsegmentName, WithoutHeader};
//!
//! client.get("http://10.0.0.7/charge").with_extension(SubsegmentName::from("payments")).send().await?;
//! client.get("https://weather.example.com/").with_extension(WithoutHeader).send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Outcome`] is the argument of a function passed to `on_outcome`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "reqwest")]
mod middleware;

#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use middleware::XRayMiddleware;
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
#[doc(inline)]
pub use xray_tower::client::{
    AsError, AtCall, AtFirstPoll, Boxed, CallParentLayer, CallStart, ResponseFuture, Typed, WithCallParent, XRayBody,
    XRayClient, XRayClientLayer,
};
#[doc(inline)]
pub use xray_tower::client::{CallParent, Outcome, SubsegmentName, Untraced, WithoutHeader};
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
#[doc(inline)]
pub use xray_tower::client::{Connecting, Resolving, XRayConnector, XRayResolver, XRayStream};

#[cfg(all(doctest, feature = "reqwest"))]
#[doc = include_str!("../README.md")]
struct Readme;
