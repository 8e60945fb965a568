//! AWS X-Ray for actix-web.
//!
//! A middleware records a segment for each request. The segment is current in the code that serves the request, which can
//! annotate it and begin subsegments.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use xray_actix::XRay;
//!
//! async fn order(id: web::Path<u64>) -> String {
//!     xray_core::annotate("order_id", *id);
//!     xray_core::capture("render", |_| format!("order {id}"))
//! }
//!
//! # async fn serve() -> std::io::Result<()> {
//! HttpServer::new(|| App::new().wrap(XRay::fixed("shop")).route("/orders/{id}", web::get().to(order)))
//!     .bind("127.0.0.1:8080")?
//!     .run()
//!     .await
//! # }
//! ```
//!
//! # What is recorded
//!
//! The segment begins when the service is called and closes at the end of the response body. Request and response pass
//! through unchanged, except for the header that returns the sampling decision to a caller who asked for it.
//!
//! | Event | Recorded in the segment |
//! |---|---|
//! | the response is sent | status, content length; `error` for 4xx, `error` and `throttle` for 429, `fault` for 5xx |
//! | the handler or an inner middleware returns an error | the same, and an exception with the error's text |
//! | the body fails | `fault`, with the exception; the error propagates |
//! | the handler or the body panics | `fault`, with an exception of type `panic`; the panic propagates |
//! | the future is dropped before the response: connection reset, timeout in an outer middleware | `fault`, with an exception of type `Cancelled`, and no response |
//! | the body fails, panics or is dropped half-sent | additionally metadata `aborted: true` in the namespace `xray` |
//! | the body is dropped before it is polled, for example because an outer middleware replaces it | the same as for a complete response |
//! | `HEAD`, 204, 304, an upgrade (101) | the same, but the segment closes at the headers |
//! | [`end_at_headers`](XRay::end_at_headers) returns true | the same, but the segment closes at the headers |
//! | the request is [ignored](XRay::ignore), or the SDK is disabled | nothing; recording calls inside are no-ops |
//!
//! actix-web does not notice a client that closes its side of the connection while the handler runs, since the client may
//! still wait for the response. A connection reset ends the request.
//!
//! The scheme of the URL is `https` on connections of `bind_rustls` and `bind_openssl`. Otherwise it comes from
//! [`XRay::scheme`] or, if [trusted](XRay::trust_forwarded_proto), from `X-Forwarded-Proto`. A request without a host has no
//! URL.
//!
//! Each worker of actix-web runs its requests on one thread. The context is set while the handler's future and the body are
//! polled, so requests never see each other's. Spawned code (`actix_web::rt::spawn`, `web::block`) has no context unless you
//! carry it there; see [`in_current`](xray_core::FutureExt::in_current).
//!
//! # Overview
//!
//! | Item | Purpose |
//! |---|---|
//! | [`XRay`] | the middleware and its options |
//! | [`XRaySegment`] | the request's segment, as an extractor |
//! | [`MatchedRoute`] | where the matched route is recorded |
//! | [`Scheme`] | the scheme of recorded URLs |
//! | [`XRayService`], [`ResponseFuture`], [`XRayBody`] | the types that the middleware creates |

mod body;
mod error;
mod extract;
mod future;
mod request;
mod service;
mod transform;

pub use body::XRayBody;
pub use extract::XRaySegment;
pub use future::ResponseFuture;
pub use service::XRayService;
pub use transform::XRay;
pub use xray_core::Naming;
pub use xray_core::adapter::{MatchedRoute, Scheme};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
