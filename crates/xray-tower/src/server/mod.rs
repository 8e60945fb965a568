//! The server's side: a segment for each request that passes a tower service.
//!
//! [`XRayLayer`] is the layer, and [`XRaySegment`] the segment of a request. The other types are what the layer makes.
//!
//! # What is recorded
//!
//! The segment begins with the call of the service and closes with the end of the response's body. Request and response pass
//! unchanged, except for the header that returns the sampling decision to a caller who asked for it.
//!
//! | what happens | what the segment says |
//! |---|---|
//! | the response is sent | status, content length; 4xx `error`, 429 `error` and `throttle`, 5xx `fault` |
//! | `grpc-status` in headers or trailers (tonic) | `error`, `throttle` or `fault` by its class |
//! | the inner service or the body fails | `fault`, with the exception; the error propagates |
//! | the handler or the body panics | `fault`, with an exception of type `panic`; the panic propagates |
//! | dropped before the response: client gone, timeout outside | `fault`, an exception of type `Cancelled`, no response |
//! | the body fails, panics or is dropped in the middle | also metadata `aborted: true` in the namespace `xray` |
//! | the body is dropped before it is polled, as by a middleware outside that replaces it | as the first |
//! | `HEAD`, 204, 304, an upgrade (101), a tunnel (2xx to `CONNECT`) | as the first, closed at the headers |
//! | [`end_at_headers`](XRayLayer::end_at_headers) covers the response | as the first, closed at the headers |
//! | the caller sent `Sampled=?` | the response carries `X-Amzn-Trace-Id` with trace and decision |
//! | not sampled | nothing; calls to other services carry `Sampled=0` |
//! | [ignored](XRayLayer::ignore), or the SDK is disabled | nothing; recording calls inside are no-ops |
//!
//! Only the handler knows an error that it answers with a response. It records it with
//! `xray_core::current_segment().fault(&error)`, for instance where the error becomes a response.
//!
//! A request that is not sampled allocates only if its caller asked for the decision, if the header has fields of the
//! caller's own, which are forwarded, or if the layer has sampling attributes.
//!
//! # Address and scheme
//!
//! The client's address is that of `X-Forwarded-For`, otherwise the one that [`peer`](XRayLayer::peer) returns, otherwise that
//! of the connection: tonic's `TcpConnectInfo`, axum's `ConnectInfo<SocketAddr>`, or a plain `SocketAddr` in the request's
//! extensions, which other servers may insert.
//!
//! The scheme of the URL is that of the request target, which HTTP/2 sends. An HTTP/1.1 request does not show whether its
//! connection is TLS: [`scheme`](XRayLayer::scheme) sets it for all requests. A server with both kinds of listeners inserts
//! `http::uri::Scheme::HTTPS` into the extensions of requests behind TLS. Behind a load balancer that ends TLS,
//! [`trust_forwarded_proto`](XRayLayer::trust_forwarded_proto) takes the scheme from `X-Forwarded-Proto`.
//!
//! A request without a host has no URL. The URL of `OPTIONS *` and of `CONNECT` ends with the host.
//!
//! # Context
//!
//! The segment is current while the handler's future and the body are polled. A task that the handler spawns has no context
//! unless it is carried there: see [`in_current`](xray_core::FutureExt::in_current).
//!
//! # Stacks
//!
//! The error of the inner service may be any type that can be displayed, so services with boxed errors, `oneshot`, timeouts,
//! compression and decompression work inside and outside of the layer. Its responses have the body type [`XRayBody`].
//!
//! With gRPC-web the layer belongs inside, since `GrpcWebLayer` turns the trailers that hold the status into bytes of the
//! body:
//!
//! ```text
//! Server::builder().accept_http1(true).layer(GrpcWebLayer::new()).layer(XRayLayer::new("shop"))
//! ```

#[cfg(feature = "axum")]
mod axum;
mod body;
mod end_at_headers;
mod error;
mod future;
mod layer;
mod request;
mod segment;
#[cfg(feature = "axum")]
mod serve;
mod service;

pub use body::XRayBody;
pub use future::ResponseFuture;
pub use layer::XRayLayer;
pub use segment::XRaySegment;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use serve::{AxumFuture, AxumService};
pub use service::XRayService;
