//! AWS X-Ray for actix-web.
//!
//! A middleware records a segment for each request. Code that runs for the request finds it as the current one,
//! adds to it and begins subsegments below it.
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
//! The segment begins with the call of the service and closes with the end of the response's body. Request and
//! response pass unchanged, but for the header that tells the decision to a caller who asked.
//!
//! | what happens | what the segment says |
//! |---|---|
//! | the response is sent | status, content length; 4xx `error`, 429 `error` and `throttle`, 5xx `fault` |
//! | the handler or a middleware inside returns an error | that, and an exception with the error's text |
//! | the body fails | `fault`, with the exception; the error propagates |
//! | the handler or the body panics | `fault`, with an exception of type `panic`; the panic propagates |
//! | dropped before the head: connection reset, time-out outside the middleware | `fault`, an exception of type `Cancelled`, no response |
//! | the body fails, panics or is dropped in the middle | also metadata `aborted: true` in the namespace `xray` |
//! | the body is dropped before it is polled, as by a middleware outside that replaces it | as the first |
//! | `HEAD`, 204, 304, an upgrade (101) | as the first, closed with the head |
//! | [`end_at_headers`](XRay::end_at_headers) covers the response | as the first, closed with the head |
//! | [ignored](XRay::ignore), or the SDK is disabled | nothing; whatever is recorded inside does nothing |
//!
//! actix-web does not notice that a client has closed its side of the connection while the handler runs, since a
//! client may do so and still wait for the answer. A connection that is reset ends the request.
//!
//! The url is `https` on connections of `bind_rustls` and `bind_openssl`, else as [`XRay::scheme`] or, where
//! [trusted](XRay::trust_forwarded_proto), `X-Forwarded-Proto` says. A request without a host has no url.
//!
//! Each worker of actix-web runs its requests on one thread. The context follows the polls of the handler's
//! future and of the body, so requests never see each other's. What is spawned (`actix_web::rt::spawn`,
//! `web::block`) has none unless it is carried there: see [`in_current`](xray_core::FutureExt::in_current).
//!
//! # Where things are
//!
//! | item | what it is for |
//! |---|---|
//! | [`XRay`] | the middleware and its options |
//! | [`XRaySegment`] | the request's segment, as an extractor |
//! | [`MatchedRoute`] | where the matched route is recorded |
//! | [`Scheme`] | the scheme of recorded urls |
//! | [`XRayService`], [`ResponseFuture`], [`XRayBody`] | what the middleware makes |

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
