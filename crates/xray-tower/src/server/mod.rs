//! The server side: a segment for each request to a tower service.
//!
//! [`XRayLayer`] is the layer, and [`XRaySegment`] the segment of a request. The layer creates the other types.
//!
//! # What is recorded
//!
//! The segment begins when the service is called and closes at the end of the response body. Request and response pass
//! through unchanged, except for the header that returns the sampling decision to a caller who asked for it.
//!
//! | Event | Recorded in the segment |
//! |---|---|
//! | the response is sent | status, content length; `error` for 4xx, `error` and `throttle` for 429, `fault` for 5xx |
//! | a gRPC status other than `OK`, in headers or trailers (tonic) | its [flags](xray_core::grpc), and its name and message as an exception, unless there is one |
//! | the inner service or the body fails | `fault`, with the exception; the error propagates |
//! | the handler or the body panics | `fault`, with an exception of type `panic`; the panic propagates |
//! | the future is dropped before the response: disconnect, timeout in an outer layer | `fault`, with an exception of type `Cancelled`, and no response |
//! | the body fails, panics or is dropped half-sent | additionally metadata `aborted: true` in the namespace `xray` |
//! | the body is dropped before it is polled, for example because an outer layer replaces it | the same as for a complete response |
//! | `HEAD`, 204, 304, an upgrade (101), a tunnel (2xx to `CONNECT`) | the same, but the segment closes at the headers |
//! | [`end_at_headers`](XRayLayer::end_at_headers) returns true | the same, but the segment closes at the headers |
//! | the caller sent `Sampled=?` | the response carries `X-Amzn-Trace-Id` with trace and decision |
//! | the request is not sampled | nothing; calls to other services carry `Sampled=0` |
//! | the request is [ignored](XRayLayer::ignore), or the SDK is disabled | nothing; recording calls inside are no-ops |
//!
//! The layer does not see an error that the handler turns into a response. Record it in the handler, or where the error
//! becomes a response, with `xray_core::current_segment().fault(&error)`.
//!
//! A request that is not sampled allocates only if the caller asked for the decision, if the header contains additional
//! fields, which are forwarded, or if the layer has sampling attributes.
//!
//! # Address and scheme
//!
//! The client's address comes from `X-Forwarded-For`, else from [`peer`](XRayLayer::peer), else from the connection: tonic's
//! `TcpConnectInfo`, axum's `ConnectInfo<SocketAddr>`, or a plain `SocketAddr` in the request's extensions, which other
//! servers may insert.
//!
//! The scheme of the URL comes from the request target, which includes it in HTTP/2. An HTTP/1.1 request does not show
//! whether its connection uses TLS; [`scheme`](XRayLayer::scheme) sets the scheme for all requests. A server with both kinds
//! of listeners inserts `http::uri::Scheme::HTTPS` into the extensions of TLS requests. Behind a load balancer that
//! terminates TLS, [`trust_forwarded_proto`](XRayLayer::trust_forwarded_proto) takes the scheme from `X-Forwarded-Proto`.
//!
//! A request without a host has no URL. The URLs of `OPTIONS *` and `CONNECT` end with the host.
//!
//! # Context
//!
//! The segment is current while the handler's future and the body are polled. A spawned task has no context unless you carry
//! it there; see [`in_current`](xray_core::FutureExt::in_current).
//!
//! # Stacks
//!
//! The inner service may fail with any type that implements `Display`. So services with boxed errors, `oneshot`, timeouts,
//! compression and decompression work inside and outside of the layer. Its responses have the body type [`XRayBody`].
//!
//! With gRPC-web, put the layer inside of `GrpcWebLayer`, which turns the trailers that contain the status into bytes of the
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
