//! AWS X-Ray for axum 0.8.
//!
//! A layer records a segment for each request. The segment is current in the code that serves the request, which can
//! annotate it and begin subsegments.
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
//! [`xray_tower::server`] lists what is recorded. Request and response pass through unchanged, and the segment lasts until
//! the end of the response body. A request that is not sampled allocates nothing, except in the cases listed there.
//!
//! The layer does not see an error that a handler turns into a response. Record it with
//! `xray_core::current_segment().fault(&error)`, for example in `IntoResponse` of the error type.
//!
//! # Address, scheme and route
//!
//! If you serve the router with `into_make_service_with_connect_info::<SocketAddr>()`, segments have the client's address.
//! If several listeners serve one application, mark requests of TLS connections with
//! `router.layer(Extension(http::uri::Scheme::HTTPS))`. In nested routers, the recorded URL is the full one.
//!
//! [`matched_route`](XRayLayer::matched_route) records the pattern of the route, such as `/orders/{id}`.
//!
//! # A whole router
//!
//! `router.layer(XRayLayer::new("shop"))` records the requests of that router. Middleware that must run before routing,
//! such as `NormalizePath`, wraps the whole router. The layer can do so too; `axum::serve` accepts the result, and its
//! segments have the client's address.
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
//! `axum::ServiceExt`, called by their path, do not compile:
//!
//! ```text
//! type mismatch resolving `<XRayService<Router> as Service<Request<Body>>>::Response == Response<Body>`
//! expected `Response<Body>`, found `Response<XRayBody<Body>>`
//! ```
//!
//! Call the method of the same name instead: `app.into_make_service()`. With other middleware around the layer,
//! [`ResponseAxumBodyLayer`](https://docs.rs/axum/0.8/axum/middleware/struct.ResponseAxumBodyLayer.html) (axum 0.8.5)
//! converts the response body back to axum's:
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
//! # An optional layer
//!
//! `AWS_XRAY_SDK_DISABLED` and [`Recorder::disabled`](xray_core::Recorder::disabled) turn off an existing layer. tower's
//! `option_layer` requires the same response type with and without the layer:
//!
//! ```text
//! type mismatch resolving `<Route as Service<Request<Body>>>::Response == Response<XRayBody<Body>>`
//! expected `Response<XRayBody<Body>>`, found `Response<Body>`
//! ```
//!
//! With `ResponseAxumBodyLayer` around the layer, both have axum's body:
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
//! # Overview
//!
//! | Item | Purpose |
//! |---|---|
//! | [`XRayLayer`] | the layer and its options |
//! | [`XRaySegment`] | the request's segment, as an extractor |
//! | [`MatchedRoute`] | where the matched route is recorded |
//! | [`Scheme`] | the scheme of recorded URLs |
//! | [`XRayService`], [`ResponseFuture`], [`XRayBody`] | the types that the layer creates |
//! | [`AxumService`], [`AxumFuture`] | the types that `axum::serve` creates from them |
//!
//! All of these are defined in [`xray_tower`] with its feature `axum`, since the layer is the same for all tower services.
//!
//! | Feature | Adds |
//! |---|---|
//! | `axum` (default) | the extractor, the matched route, `ConnectInfo`, the full URL in nested routers, `axum::serve` |
//! | `tonic` (default) | the client's address for tonic 0.14 services next to axum's |

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

/// Compiles the example of the README.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
