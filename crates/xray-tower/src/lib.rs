//! AWS X-Ray for HTTP servers and clients that are tower services: tonic, hyper, warp, axum, and your own stacks.
//!
//! A server adds [`XRayLayer`]: each request opens a segment, which is current while the inner service runs. A client adds
//! [`XRayClientLayer`]: each call becomes a subsegment of the current entity, and sends the trace in its `X-Amzn-Trace-Id`
//! header.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{BoxError, ServiceBuilder, service_fn};
//! use xray_tower::{XRayClientLayer, XRayLayer};
//!
//! let inventory = ServiceBuilder::new().layer(XRayClientLayer::new()).service(service_fn(
//!     async |request: Request<String>| Ok::<_, std::io::Error>(Response::new(request.into_body())), // an HTTP client
//! ));
//! let shop = ServiceBuilder::new().layer(XRayLayer::new("shop")).service(service_fn(async |request: Request<String>| {
//!     xray_core::annotate("order_id", 7);
//!     Ok::<_, BoxError>(Response::new(request.into_body()))
//! }));
//! ```
//!
//! # tonic
//!
//! The server layer records the client's address. The client layer wraps the channel. Both record all kinds of calls until
//! their streams end, with flags and an exception by the [status](xray_core::grpc).
//!
//! ```no_run
//! # #[cfg(feature = "tonic")]
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use tonic::transport::{Channel, Server};
//! use tonic_health::pb::health_client::HealthClient;
//! use xray_tower::{XRayClientLayer, XRayLayer};
//!
//! let traced = XRayClientLayer::new().origin("http://inventory:50051");
//! let channel = Channel::from_static("http://inventory:50051").connect_lazy();
//! let inventory = HealthClient::new(tower::ServiceBuilder::new().layer(traced).service(channel));
//!
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! Server::builder().layer(XRayLayer::new("shop")).add_service(health).serve("127.0.0.1:50050".parse()?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # hyper
//!
//! A server serves the layer's service through `hyper_util::service::TowerToHyperService`. A client of hyper-util is a tower
//! service; with the feature `hyper`, [`XRayConnector`](client::XRayConnector) also records how its connections are opened.
//!
//! # axum and reqwest
//!
//! `xray-axum` is this crate with its feature `axum`; `xray-reqwest` has a middleware for `reqwest-middleware`. Both re-export
//! the layer. `docs/frameworks.md` in the repository shows axum 0.7 and warp.
//!
//! # Overview
//!
//! | Item | Purpose |
//! |---|---|
//! | [`XRayLayer`], [`XRaySegment`] | the server layer; the segment of a request, in its extensions |
//! | [`server`] | what is recorded of a request, and the types that the layer creates |
//! | [`XRayClientLayer`] | the client layer |
//! | [`client`] | what is recorded of a call, the extensions of a request, connections of hyper |
//!
//! | Feature | Adds |
//! |---|---|
//! | `tonic` (default) | for servers of tonic 0.14: the client's address |
//! | `hyper` | for clients of hyper-util 0.1: [`XRayConnector`](client::XRayConnector), [`XRayResolver`](client::XRayResolver) |
//! | `axum` | for axum 0.8: extractor, matched route, `ConnectInfo`, the full URL in nested routers, `axum::serve` |
//! | `reqwest` | for reqwest 0.13: [`XRayClientLayer`] around `reqwest::Client` |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod client;
mod response;
pub mod server;

pub use client::XRayClientLayer;
pub use server::{XRayLayer, XRaySegment};
pub use xray_core::Naming;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use xray_core::adapter::MatchedRoute;
pub use xray_core::adapter::Scheme;

#[cfg(all(doctest, feature = "hyper", feature = "tonic"))]
#[doc = include_str!("../README.md")]
struct Readme;
