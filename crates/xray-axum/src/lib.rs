//! AWS X-Ray for axum, and for any HTTP server made of tower services.
//!
//! A layer records a segment for each request. Code that runs for the request finds it as the current one, adds
//! to it and begins subsegments below it.
//!
//! ```no_run
//! use axum::{Router, extract::Path, routing::get};
//! use xray_axum::XRayLayer;
//!
//! async fn order(Path(id): Path<u64>) -> String {
//!     xray_core::annotate("order_id", id);
//!     xray_core::capture("render", |_| format!("order {id}"))
//! }
//!
//! # async fn serve() -> std::io::Result<()> {
//! let app = Router::new().route("/orders/{id}", get(order)).layer(XRayLayer::new("shop"));
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! # let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! # What is recorded
//!
//! The segment begins with the call of the service and closes with the end of the response's body. Request and
//! response pass unchanged, but for the header that tells the decision to a caller who asked.
//!
//! | what happens | what the segment says |
//! |---|---|
//! | the response is sent | status, content length; 4xx `error`, 429 `error` and `throttle`, 5xx `fault` |
//! | `grpc-status` in head or trailers (tonic) | `error`, `throttle` or `fault` by its class |
//! | the inner service or the body fails | `fault`, with the exception; the error goes on |
//! | the handler or the body panics | `fault`, with an exception of type `panic`; the panic goes on |
//! | dropped before the head: client gone, outer time-out | `fault`, an exception of type `Cancelled`, no response |
//! | dropped in the middle of the body | metadata `aborted: true` in the namespace `xray` |
//! | `HEAD`, 204, 304, an upgrade (101), a tunnel (2xx to `CONNECT`) | as the first, closed with the head |
//! | the caller sent `Sampled=?` | the response carries `X-Amzn-Trace-Id` with trace and decision |
//! | not sampled | nothing; calls to other services carry `Sampled=0` |
//! | [ignored](XRayLayer::ignore), or the SDK is disabled | nothing; whatever is recorded inside does nothing |
//!
//! An error that a handler answers with a response is known to the handler alone: it says so by
//! `xray_core::current_segment().fault(&error)`, for instance in its error type's `IntoResponse`.
//!
//! A request that is not sampled allocates only if its caller asked for the decision, or sent fields of its own in
//! the header, which are sent on, or if the layer has sampling attributes.
//!
//! The client's address is taken from `X-Forwarded-For`, else from `ConnectInfo<SocketAddr>`, which is there when
//! the router is served by `into_make_service_with_connect_info`; other servers may put a plain `SocketAddr` into
//! the request's extensions.
//!
//! The context follows the polls of the handler's future and of the body. A task spawned by the handler has none
//! unless it is carried there: see [`in_current`](xray_core::FutureExt::in_current).
//!
//! # Other servers
//!
//! The layer works on every `Service<Request<_>, Response = Response<_>>`: tonic's `Server::builder().layer(..)`,
//! or hyper with `hyper_util::service::TowerToHyperService`. It asks for no more of the service than a text for
//! its errors.
//!
//! # Where things are
//!
//! | item | what it is for |
//! |---|---|
//! | [`XRayLayer`] | the layer and its options |
//! | [`XRaySegment`] | the request's segment, as an extractor |
//! | [`MatchedRoute`] | where the matched route is recorded |
//! | [`XRayService`], [`ResponseFuture`], [`XRayBody`] | what the layer makes |
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum` (default) | the extractor, the matched route, `ConnectInfo`, the full url in nested routers |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod error;
mod extract;
mod future;
mod layer;
mod request;
mod service;

pub use body::XRayBody;
pub use extract::XRaySegment;
pub use future::ResponseFuture;
pub use layer::XRayLayer;
pub use service::XRayService;
pub use xray_core::Naming;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use xray_core::http::MatchedRoute;

/// The example of the README is compiled, too.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
