//! AWS X-Ray for axum 0.8.
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
//! [`xray_tower::server`] has the table. Request and response pass unchanged, and the segment lasts until the end of the
//! response's body. A request that is not sampled allocates nothing, except in the cases that are listed there.
//!
//! Only the handler knows an error that it answers with a response. It records it with
//! `xray_core::current_segment().fault(&error)`, for instance in `IntoResponse` of its error type.
//!
//! # Address, scheme and route
//!
//! Serve the router by `into_make_service_with_connect_info::<SocketAddr>()`, and segments have the client's address. Where
//! several listeners serve one application, `router.layer(Extension(http::uri::Scheme::HTTPS))` marks the requests behind
//! TLS. In nested routers the recorded URL is the whole one.
//!
//! [`matched_route`](XRayLayer::matched_route) records the pattern of the route, such as `/orders/{id}`.
//!
//! # A whole router
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
//! and the method of that name, `app.into_make_service()`, solves it. With other middleware around the layer,
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
//! # A layer that is there or not
//!
//! `AWS_XRAY_SDK_DISABLED` and [`Recorder::disabled`](xray_core::Recorder::disabled) switch off a layer that is there.
//! tower's `option_layer` requires the same response type with and without it:
//!
//! ```text
//! type mismatch resolving `<Route as Service<Request<Body>>>::Response == Response<XRayBody<Body>>`
//! expected `Response<XRayBody<Body>>`, found `Response<Body>`
//! ```
//!
//! `ResponseAxumBodyLayer` around the layer gives both axum's body:
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
//! # Where things are
//!
//! | item | purpose |
//! |---|---|
//! | [`XRayLayer`] | the layer and its options |
//! | [`XRaySegment`] | the request's segment, as an extractor |
//! | [`MatchedRoute`] | where the matched route is recorded |
//! | [`Scheme`] | the scheme of recorded URLs |
//! | [`XRayService`], [`ResponseFuture`], [`XRayBody`] | what the layer makes |
//! | [`AxumService`], [`AxumFuture`] | what `axum::serve` makes of it |
//!
//! All of it is in [`xray_tower`] with the feature `axum`, since the layer has one type for all servers made of tower
//! services.
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum` (default) | the extractor, the matched route, `ConnectInfo`, the full URL in nested routers, `axum::serve` |
//! | `tonic` (default) | for services of tonic 0.14 next to axum's: the client's address |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use xray_tower::server::{ResponseFuture, XRayBody, XRayLayer, XRaySegment, XRayService};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
#[doc(inline)]
pub use xray_tower::{
    MatchedRoute,
    server::{AxumFuture, AxumService},
};
#[doc(inline)]
pub use xray_tower::{Naming, Scheme};

/// The example of the README is compiled, too.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
