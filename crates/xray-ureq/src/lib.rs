//! AWS X-Ray for ureq 3.
//!
//! Each call becomes a subsegment of the current entity of its thread, named by the called host, and sends the trace in its
//! `X-Amzn-Trace-Id` header.
//!
//! ```no_run
//! use xray_ureq::XRayMiddleware;
//!
//! # fn handler() -> Result<(), ureq::Error> {
//! let agent: ureq::Agent = ureq::Agent::config_builder().middleware(XRayMiddleware::new()).build().into();
//! let items = agent.get("https://inventory.example.com/items").call()?.body_mut().read_to_string()?;
//! # Ok(())
//! # }
//! ```
//!
//! Other threads have no context unless you carry it there; see [`enter`](xray_core::Segment::enter). ureq blocks its thread:
//! in asynchronous code, call it within `spawn_blocking`.
//!
//! # What is recorded
//!
//! The subsegment begins when the request is sent. It ends with the response headers, or with the body if
//! [`record_body`](XRayMiddleware::record_body) is set.
//!
//! | Event | Recorded |
//! |---|---|
//! | a response | method, URL without query string and user info, status, content length |
//! | status 4xx, 429, 5xx | error; error and throttle; fault |
//! | the same as `ureq::Error::StatusCode`, ureq's default | the same without content length: the error contains nothing else |
//! | refused connection, unknown host, TLS error, timeout | fault, with the error and its causes, and no response |
//! | the body fails, if it is recorded | fault, with the error as `remote` unless a timeout of this side ended it |
//! | the body is dropped half-read, if it is recorded | metadata `aborted` in the namespace `xray` |
//!
//! Calls that made no connection are not marked as [`traced`](XRayMiddleware::traced). ureq does not show that a TLS handshake
//! failed, so such a call is still marked.
//!
//! In a trace that is not sampled, calls send `Sampled=0`, nothing is recorded, and the only allocation is the header value.
//!
//! The [headers](xray_tower::client#headers) are those of the other clients. [`SubsegmentName`], [`Untraced`],
//! [`WithoutHeader`] and [`CallParent`] configure one request, as its extensions:
//!
//! ```no_run
//! # fn handler(agent: ureq::Agent) -> Result<(), ureq::Error> {
//! use xray_ureq::{SubsegmentName, Untraced, WithoutHeader};
//!
//! agent.get("http://10.0.0.7/charge").extension(SubsegmentName::from("payments")).call()?;
//! agent.get("https://weather.example.com/").extension(WithoutHeader).call()?; // recorded, without a header
//! agent.get("http://localhost/health").extension(Untraced).call()?; // not recorded
//! # Ok(())
//! # }
//! ```
//!
//! # Overview
//!
//! | Item | Purpose |
//! |---|---|
//! | [`XRayMiddleware`] | the middleware and its options |
//! | [`SubsegmentName`], [`Untraced`], [`WithoutHeader`], [`CallParent`] | options of one request |
//! | [`Outcome`] | the argument of a function passed to [`on_outcome`](XRayMiddleware::on_outcome) |

mod body;
mod error;
mod middleware;

pub use middleware::XRayMiddleware;
#[doc(inline)]
pub use xray_tower::client::{CallParent, Outcome, SubsegmentName, Untraced, WithoutHeader};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
