//! AWS X-Ray for salvo.
//!
//! A hoop records a segment for each request. The segment is current in the code that serves the request, which can annotate
//! it and begin subsegments.
//!
//! ```no_run
//! use salvo::prelude::*;
//! use xray_salvo::XRay;
//!
//! #[handler]
//! async fn order(request: &mut Request) -> String {
//!     let id: u64 = request.param("id").unwrap_or_default();
//!     xray_core::annotate("order_id", id);
//!     xray_core::capture("render", |_| format!("order {id}"))
//! }
//!
//! # async fn serve() {
//! let router = Router::with_path("orders/{id}").get(order);
//! let service = Service::new(router).hoop(XRay::fixed("shop"));
//! Server::new(TcpListener::new("127.0.0.1:8080").bind().await).serve(service).await;
//! # }
//! ```
//!
//! A hoop of the [`Service`](salvo_core::Service) sees all requests. A hoop of a router sees only those that match one of its
//! routes. Add the hoop before others, so that their work is part of the segment.
//!
//! # What is recorded
//!
//! The segment begins when the hoop is called and closes at the end of the response body. Request and response pass through
//! unchanged, except for the header that returns the sampling decision to a caller who asked for it.
//!
//! | Event | Recorded in the segment |
//! |---|---|
//! | the response is complete | status, content length; `error` for 4xx, `error` and `throttle` for 429, `fault` for 5xx |
//! | the handler renders a `StatusError` | the same, and an exception with the error's text and its causes |
//! | no route matches | status 404 or 405, if the hoop belongs to the service |
//! | the body fails | `fault`, with the exception; the error propagates |
//! | the handler or the body panics | `fault`, with an exception of type `panic`; the panic propagates |
//! | the client disconnects before the response, or an outer hoop stops waiting | `fault`, with an exception of type `Cancelled`, and no response |
//! | the body fails, panics or is dropped half-sent | additionally metadata `aborted: true` in the namespace `xray` |
//! | `HEAD`, 204, 304, an upgrade (101) | the same as for a complete response, but the segment closes at the headers |
//! | [`end_at_headers`](XRay::end_at_headers) returns true | the same, but the segment closes at the headers |
//! | the request is [ignored](XRay::ignore), or the SDK is disabled | nothing; recording calls inside are no-ops |
//!
//! A body that is complete in memory needs no further work of the application, so its segment closes at the headers. Bodies
//! of other kinds are wrapped, which turns them into a `ResBody::Boxed`.
//!
//! salvo calls catchers outside of all hoops. So the segment of an error without a body has no content length, does not
//! contain the work of a catcher, and keeps its status if a catcher changes it. An error that a handler returns is rendered
//! by salvo before the hoop sees the response: only a `StatusError` remains visible. Record others with
//! `xray_core::current_segment().fault(&error)`, for example in the `Writer` of the error type.
//!
//! The scheme of the URL is `https` on TLS connections. Otherwise it comes from [`XRay::scheme`] or, if
//! [trusted](XRay::trust_forwarded_proto), from `X-Forwarded-Proto`. A request without a host has no URL.
//!
//! The context is set while the inner hoops, the handler and the body are polled. Spawned code (`tokio::spawn`) has no context
//! unless you carry it there; see [`in_current`](xray_core::FutureExt::in_current). This includes the sending half of
//! `Response::channel`.
//!
//! For a request that is not sampled, the hoop allocates nothing beyond the future that salvo boxes for every hoop, and the
//! wrapper of a streamed body.
//!
//! # Overview
//!
//! | Item | Purpose |
//! |---|---|
//! | [`XRay`] | the hoop and its options |
//! | [`XRaySegment`] | the request's segment, from the depot or as a handler's parameter |
//! | [`MatchedRoute`] | where the matched route is recorded |
//! | [`Scheme`] | the scheme of recorded URLs |
//! | [`Head`] | the argument of a function passed to [`end_at_headers`](XRay::end_at_headers) |

mod body;
mod extract;
mod hoop;
mod request;
mod response;

pub use extract::XRaySegment;
pub use hoop::XRay;
pub use response::Head;
pub use xray_core::Naming;
pub use xray_core::adapter::{MatchedRoute, Scheme};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
