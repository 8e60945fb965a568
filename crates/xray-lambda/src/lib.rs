//! AWS X-Ray for AWS Lambda functions that use `lambda_runtime` or `lambda_http`.
//!
//! Lambda itself sends the function's segment; the function adds subsegments. This crate reads the trace header of each
//! invocation and makes it the context of the handler, so all of the SDK's recording functions work in the handler.
//! Wrap the handler in one call:
//!
//! ```no_run
//! use lambda_runtime::{Error, LambdaEvent, service_fn};
//! use serde_json::Value;
//! use xray_lambda::XRayLambda;
//!
//! async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
//!     let total = xray_core::capture("add up", |step| {
//!         step.annotate("tenant", "acme");
//!         event.payload["items"].as_array().map_or(0, Vec::len)
//!     });
//!     Ok(total.into())
//! }
//!
//! # async fn serve() -> Result<(), Error> {
//! lambda_runtime::run(XRayLambda::wrap(service_fn(handler))).await
//! # }
//! ```
//!
//! With the feature `lambda_http`, the same call wraps handlers of that crate:
//! `lambda_http::run(XRayLambda::wrap(..))`. `run_concurrent` works too, since the header comes from the context of
//! each invocation. `Runtime::layer` does not replace the call: a layer there sees neither results nor panics of the
//! handler.
//!
//! # Web frameworks
//!
//! An application that has its own server layer, such as `XRayLayer` on an axum router or the actix middleware, runs
//! inside `XRayLambda` unchanged. Its requests become subsegments of the function's segment, and Lambda's sampling
//! decision applies. Wrap the whole application: `lambda_http::run(XRayLambda::wrap(router))`.
//!
//! # What is recorded
//!
//! | The invocation's trace header | Effect |
//! |---|---|
//! | `Root`, `Parent`, `Sampled=1` | subsegments are sent; closing one returns after it has been sent |
//! | `Root`, `Parent`, `Sampled=0` | nothing is sent; calls to other services carry `Sampled=0` |
//! | only `Root`, possibly with `Lineage` (active tracing is off) | nothing is sent; calls carry the received header |
//! | none | nothing is sent; the [context-missing strategy](xray_core::ContextMissing) applies |
//! | incomplete or malformed | nothing is sent, and an error is logged |
//!
//! Sampling rules do not apply, since Lambda has already decided. Lambda freezes a function as soon as it has
//! responded, so nothing may be left to send: when the handler returns, every closed subsegment has been sent.
//! Subsegments that are still open at that time, for example in a spawned task, are sent in progress. In a burst, the
//! closing thread pauses for a millisecond after every 32 subsegments, so that the daemon's receive buffer can hold
//! them all.
//!
//! | Event | Result |
//! |---|---|
//! | the handler returns an error or panics | Lambda marks the function's segment; captured functions mark their subsegments |
//! | the same, with [`handler_subsegment`](XRayLambda::handler_subsegment) | that subsegment is also a fault, with the exception |
//! | the deadline approaches | open subsegments are sent in progress, so the trace shows what a timeout waited for |
//! | the future is dropped | open subsegments close; that of the handler has the metadata `cancelled: true` |
//!
//! A function cannot change its own segment: calls such as `annotate` on it have no effect, and a warning is logged
//! once. Annotate a subsegment instead; `handler_subsegment` creates one that spans the whole handler.
//!
//! A streamed response is polled after the handler has returned, outside of its context. To record in the stream, pass
//! it a handle, such as that of [`xray_core::current`], beforehand.
//!
//! After a SnapStart restore, every sandbox generates different IDs, because each subsegment reseeds the generator of
//! its thread with the time. The socket to the daemon is opened at the first document, after the restore. You need not
//! register a hook.
//!
//! # Overview
//!
//! | Item | Purpose |
//! |---|---|
//! | [`XRayLambda`] | the service around the handler, and its options |
//! | [`Init`] | the work of the init phase |
//! | [`SqsRecord`] | SQS messages, each with the trace of its sender |
//! | [`InvocationFuture`] | the future that the service returns |
//!
//! | Feature | Effect |
//! |---|---|
//! | `lambda_http` | `XRayLambda` also wraps handlers of `lambda_http` |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod deadline;
mod error;
mod future;
mod init;
mod invocation;
mod platform;
mod service;
mod sqs;

pub use future::InvocationFuture;
pub use init::Init;
pub use service::XRayLambda;
pub use sqs::SqsRecord;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
