//! AWS X-Ray for axum 0.8, tonic, and any other HTTP server made of tower services.
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
//! | the inner service or the body fails | `fault`, with the exception; the error propagates |
//! | the handler or the body panics | `fault`, with an exception of type `panic`; the panic propagates |
//! | dropped before the head: client gone, outer time-out | `fault`, an exception of type `Cancelled`, no response |
//! | the body fails, panics or is dropped in the middle | also metadata `aborted: true` in the namespace `xray` |
//! | the body is dropped before it is polled, as by a middleware outside that replaces it | as the first |
//! | `HEAD`, 204, 304, an upgrade (101), a tunnel (2xx to `CONNECT`) | as the first, closed with the head |
//! | [`end_at_headers`](XRayLayer::end_at_headers) covers the response | as the first, closed with the head |
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
//! # Address and scheme
//!
//! The client's address is that of `X-Forwarded-For`, else the one that [`peer`](XRayLayer::peer) returns, else that
//! of the connection: `ConnectInfo<SocketAddr>`, which `into_make_service_with_connect_info` of axum provides, tonic's
//! `TcpConnectInfo`, or a plain `SocketAddr` in the request's extensions, which other servers may insert.
//!
//! The scheme of the url is that of the request target, which HTTP/2 sends. An HTTP/1.1 request does not tell whether
//! its connection is TLS: [`scheme`](XRayLayer::scheme) says it for all requests, and a server with both kinds of
//! listeners inserts `http::uri::Scheme::HTTPS` into the extensions of those behind TLS, for instance by
//! `router.layer(Extension(Scheme::HTTPS))`. Behind a load balancer that ends TLS,
//! [`trust_forwarded_proto`](XRayLayer::trust_forwarded_proto) takes the scheme from `X-Forwarded-Proto`.
//!
//! A request without a host has no url. The url of `OPTIONS *` and of `CONNECT` ends with the host.
//!
//! The context follows the polls of the handler's future and of the body. A task spawned by the handler has none
//! unless it is carried there: see [`in_current`](xray_core::FutureExt::in_current).
//!
//! # Stacks
//!
//! The layer is a tower layer like others, and asks of the inner service no more than a text for its errors, so
//! services with boxed errors, `oneshot`, time-outs, compression and decompression work inside and outside. Its
//! responses have the body type [`XRayBody`].
//!
//! ## A whole router
//!
//! `router.layer(XRayLayer::new("shop"))` records the requests of that router. Middleware that must run before
//! routing, such as `NormalizePath`, goes around the whole router, and so can the layer; `axum::serve` takes the
//! result, and its segments know the client's address.
//!
//! ```no_run
//! # #[cfg(feature = "axum")] async fn serve() -> std::io::Result<()> {
//! use axum::Router;
//! use tower_layer::Layer;
//! use xray_axum::XRayLayer;
//!
//! let app = XRayLayer::new("shop").layer(Router::new());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! `app.into_make_service()` and `app.into_make_service_with_connect_info::<C>()` work as well. The functions of
//! `axum::ServiceExt`, called by their path, do not; the compiler says
//!
//! ```text
//! type mismatch resolving `<XRayService<Router> as Service<Request<Body>>>::Response == Response<Body>`
//! expected `Response<Body>`, found `Response<XRayBody<Body>>`
//! ```
//!
//! and the method of that name, `app.into_make_service()`, mends it. With other middleware around the layer,
//! [`ResponseAxumBodyLayer`](https://docs.rs/axum/0.8/axum/middleware/struct.ResponseAxumBodyLayer.html) (axum 0.8.5) gives the responses axum's body again:
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, extract::Request, middleware::ResponseAxumBodyLayer};
//! use tower::ServiceBuilder;
//! use tower_http::normalize_path::NormalizePathLayer;
//! use xray_axum::XRayLayer;
//!
//! let app = ServiceBuilder::new()
//!     .layer(NormalizePathLayer::trim_trailing_slash())
//!     .layer(ResponseAxumBodyLayer)
//!     .layer(XRayLayer::new("shop"))
//!     .service(Router::new());
//! let service = axum::ServiceExt::<Request>::into_make_service(app);
//! # }
//! ```
//!
//! ## A layer that is there or not
//!
//! `AWS_XRAY_SDK_DISABLED` and [`Recorder::disabled`](xray_core::Recorder::disabled) switch the layer off where it is.
//! tower's `option_layer` wants one response type of both ways:
//!
//! ```text
//! type mismatch resolving `<Route as Service<Request<Body>>>::Response == Response<XRayBody<Body>>`
//! expected `Response<XRayBody<Body>>`, found `Response<Body>`
//! ```
//!
//! `ResponseAxumBodyLayer` around the layer gives both ways axum's body:
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, middleware::ResponseAxumBodyLayer};
//! use tower::util::option_layer;
//! use xray_axum::XRayLayer;
//!
//! let xray = Some((ResponseAxumBodyLayer, XRayLayer::new("shop")));
//! let app: Router = Router::new().layer(option_layer(xray));
//! # }
//! ```
//!
//! ## tonic
//!
//! `Server::builder().layer(XRayLayer::new("shop"))` records a segment for each call, with the client's address and
//! the flags of its `grpc-status`. Connect info of other kinds, and Unix sockets, are read by
//! [`peer`](XRayLayer::peer). With gRPC-web the layer belongs inside, since `GrpcWebLayer` turns the trailers that hold
//! the status into bytes of the body:
//!
//! ```text
//! Server::builder().accept_http1(true).layer(GrpcWebLayer::new()).layer(XRayLayer::new("shop"))
//! ```
//!
//! ## hyper
//!
//! hyper serves the layer's service by `hyper_util::service::TowerToHyperService`.
//!
//! # Where things are
//!
//! | item | what it is for |
//! |---|---|
//! | [`XRayLayer`] | the layer and its options |
//! | [`XRaySegment`] | the request's segment, as an extractor |
//! | [`MatchedRoute`] | where the matched route is recorded |
//! | [`Scheme`] | the scheme of recorded urls |
//! | [`XRayService`], [`ResponseFuture`], [`XRayBody`] | what the layer makes |
//! | [`AxumService`], [`AxumFuture`] | what `axum::serve` makes of it |
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum` (default) | for axum 0.8: the extractor, the matched route, `ConnectInfo`, the full url in nested routers |
//! | `tonic` (default) | for tonic 0.14: the client's address |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod end_at_headers;
mod error;
mod extract;
mod future;
mod layer;
mod request;
#[cfg(feature = "axum")]
mod serve;
mod service;

pub use body::XRayBody;
pub use extract::XRaySegment;
pub use future::ResponseFuture;
pub use layer::XRayLayer;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use serve::{AxumFuture, AxumService};
pub use service::XRayService;
pub use xray_core::Naming;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use xray_core::adapter::MatchedRoute;
pub use xray_core::adapter::Scheme;

/// The example of the README is compiled, too.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
