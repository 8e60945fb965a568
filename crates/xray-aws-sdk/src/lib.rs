//! AWS X-Ray for the AWS SDK for Rust: every call becomes a subsegment of the current entity.
//!
//! ```no_run
//! use xray_aws_sdk::client;
//!
//! # async fn handler(shared: aws_types::SdkConfig) -> Result<(), aws_sdk_dynamodb::Error> {
//! let dynamodb = client!(aws_sdk_dynamodb, &shared); // once, with the application's shared configuration
//! let order = dynamodb.get_item().table_name("orders").send().await?; // subsegment DynamoDB, GetItem, orders
//! # Ok(())
//! # }
//! ```
//!
//! # Enabling it
//!
//! The SDK's shared configuration cannot hold interceptors, so each client needs its own:
//!
//! | Clients | How to trace them |
//! |---|---|
//! | a client built from the shared configuration | [`client!`]`(aws_sdk_sqs, &shared)` |
//! | a client built from its own configuration | `.interceptor(XRayInterceptor::new())` on its builder |
//! | a single call | `.customize().interceptor(XRayInterceptor::new())` before `.send()`; strings that travel in the URL are not recorded |
//! | clients that a library creates | [`XRayHttpClient`] in the shared configuration; it records less |
//!
//! # What is recorded
//!
//! Each operation is one subsegment, however many attempts it takes. The subsegment has the name of the service, such
//! as `DynamoDB` or `SecretsManager`, and ends with the response. If the response is streamed to the application, as
//! for S3's `GetObject`, the subsegment ends with the stream.
//!
//! | Event | Recorded |
//! |---|---|
//! | the service responds | operation, region, request ID, retries, status, content length, the second ID of S3, parameters |
//! | the service reports an error | its code and message as a `remote` exception; error for 4xx, fault for 5xx |
//! | the service throttles: status 429, or an error code that the SDK or this crate knows, also with status 400 | additionally throttle |
//! | timeout, refused connection, missing credentials, invalid input | fault, with the error and its `source()` chain, and no response |
//! | the response cannot be parsed | fault, with the error as `remote` |
//! | the call is dropped | fault, with an exception of type `Cancelled` |
//! | a streamed response fails | fault, with the error; `remote` unless a local timeout ended it |
//! | a streamed response is dropped half-read | metadata `aborted` in the namespace `xray` |
//! | a streamed response is dropped unread | the same as for a complete response |
//! | a credential provider calls IMDS, STS or SSO | nothing, and no header is sent |
//! | a URL is presigned | nothing: no request is sent, and the URL is the same as without tracing |
//!
//! [`Untraced`] keeps a call or a client out of the trace. [`WithoutHeader`] records calls without sending the header.
//!
//! # Propagation
//!
//! Each attempt carries `X-Amzn-Trace-Id`, and the services pass it on: SQS to the consumer, as the message attribute
//! `AWSTraceHeader`; Lambda to the function it invokes; likewise SNS, EventBridge and Step Functions. The interceptor
//! sets the header before the request is signed, and replaces the one that the SDK itself sends in Lambda. The
//! signature does not cover it.
//!
//! In a trace that is not sampled, calls send `Sampled=0` and nothing is recorded. Outside any trace, calls are sent
//! unchanged. The [context-missing strategy](xray_core::ContextMissing) applies, but never panics here.
//!
//! # Parameters
//!
//! The [`Allowlist`] decides which members of requests and responses are recorded. [Its default](Allowlist::default) is
//! the one that all X-Ray SDKs share. It works without the services' crates, by looking for members in this order:
//!
//! 1. String members of the input, which the SDK captures by name, including those that travel in the URL. The SDK
//!    leaves out members that the API marks as sensitive. Old versions of service crates capture nothing.
//! 2. Headers and the status code, for members that the allowlist places there.
//! 3. Request and response bodies in JSON, and request bodies in the form encoding of SNS and older services.
//!
//! These members cannot be recorded:
//!
//! - numbers, booleans and enumerations that travel in the URL;
//! - everything except strings in requests of services that speak XML or CBOR, and all members of their responses;
//! - nested members;
//! - members of a body that is streamed, compressed or larger than 64 KiB.
//!
//! Strings and lists are cut at 2 KiB; larger objects are left out. Data that the application stores or sends is never
//! parsed: objects in S3, payloads of functions and models.
//!
//! Values are recorded as they are, without redaction. This includes members of a body that the API marks as
//! sensitive, so keep secrets off the allowlist.
//!
//! # What the caller sees
//!
//! Results, errors and requests are the same as without the interceptor, except for the header.
//!
//! # With `tracing`
//!
//! The SDK opens `tracing` spans of its own for each call, with targets that begin with `aws_`. Exclude them from what
//! you bridge to X-Ray, or each call appears twice.

mod allowlist;
mod body;
mod call;
mod client;
mod failure;
mod http_client;
mod interceptor;
mod members;
mod opt_out;

pub use allowlist::{Allowlist, AllowlistError, AllowlistPlace, Parameter, Parameters, field_name};
pub use http_client::XRayHttpClient;
pub use interceptor::XRayInterceptor;
pub use opt_out::{Untraced, WithoutHeader};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
