//! AWS X-Ray for AWS Lambda functions, on `lambda_runtime` and `lambda_http`.
//!
//! Lambda sends the segment of a function itself. What a function adds are subsegments: this crate finds the
//! invocation's place in its trace and makes it the context of the handler, so that all that records elsewhere
//! records here. One call around the handler does it:
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
//! The same call serves `lambda_http`, with the feature of that name: `lambda_http::run(XRayLambda::wrap(..))`.
//! It works under `run_concurrent` as well: the header is taken from each invocation's own context.
//! `Runtime::layer` would be the wrong place, since a layer there sees neither results nor panics of the handler.
//!
//! # Web frameworks
//!
//! An application with a server layer of its own, `XRayLayer` on an axum router or the actix middleware, runs inside
//! `XRayLambda` as it is: its requests become subsegments below the function's segment, and Lambda's sampling decision
//! stands. Wrap the whole application: `lambda_http::run(XRayLambda::wrap(router))`.
//!
//! # What is recorded
//!
//! | the invocation's trace header | what happens |
//! |---|---|
//! | `Root`, `Parent`, `Sampled=1` | subsegments are sent, each by the thread that closes it, before it goes on |
//! | `Root`, `Parent`, `Sampled=0` | nothing is sent; calls to other services carry `Sampled=0` |
//! | `Root` alone, perhaps with `Lineage`: active tracing is off | nothing is sent; calls carry what was received |
//! | none | as before, and the [context-missing strategy](xray_core::ContextMissing) has its say |
//! | incomplete, or not readable | as before, and an error is logged |
//!
//! No sampling rule is asked: Lambda has decided. A function is frozen as soon as it has answered, so nothing waits
//! to be sent: when the handler has returned, all that it closed has left. What is still open then, in a task that
//! it spawned, is shown in progress. A burst waits for a millisecond after each 32 subsegments, on the thread that closes
//! them, so that the daemon's receive buffer holds all of it.
//!
//! | what happens | what is seen |
//! |---|---|
//! | the handler returns an error, or panics | Lambda marks the function's segment; captured functions mark theirs |
//! | the same, with [`handler_subsegment`](XRayLambda::handler_subsegment) | that subsegment is a fault, with the exception |
//! | the deadline draws near | what is open is sent, in progress: a time-out shows what it waited for |
//! | the future is dropped | what it has begun closes; the handler's subsegment says `cancelled: true` |
//!
//! The function's own segment cannot be changed from within: `annotate` and the like on it are refused with one
//! warning. Annotate a subsegment; `handler_subsegment` makes one that spans the whole of the handler.
//!
//! A streamed response is polled after the handler has returned, without its context: what the stream records needs
//! a handle, as of [`xray_core::current`], that it was given before.
//!
//! After a SnapStart restore ids differ in each sandbox: each subsegment stirs the time into the generator of its
//! thread. The socket to the daemon is opened at the first document, after the restore. Nothing has to be registered.
//!
//! # Where things are
//!
//! | item | what it is for |
//! |---|---|
//! | [`XRayLambda`] | the service around the handler, and its options |
//! | [`Init`] | what the function did before its first invocation |
//! | [`SqsRecord`] | messages from a queue, each with the trace of its sender |
//! | [`InvocationFuture`] | what the service makes |
//!
//! | feature | what it adds |
//! |---|---|
//! | `lambda_http` | the same for handlers of `lambda_http` |

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
