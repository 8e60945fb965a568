//! AWS X-Ray for the AWS SDK for Rust: every call is a subsegment of the current entity.
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
//! # Which clients
//!
//! The SDK's shared configuration has no place for interceptors, so each client is told, in one of these ways:
//!
//! | what | how |
//! |---|---|
//! | a client from the shared configuration | [`client!`]`(aws_sdk_sqs, &shared)` |
//! | a client from its own configuration | `.interceptor(XRayInterceptor::new())` on its builder |
//! | one call | `.customize().interceptor(XRayInterceptor::new())` before `.send()`; texts in urls are not recorded then |
//! | clients that are made elsewhere, by a library | [`XRayHttpClient`] in the shared configuration: less is recorded |
//!
//! # What is recorded
//!
//! One subsegment for an operation, however often it is tried. It has the name of the service, `DynamoDB` or
//! `SecretsManager`, and ends with the answer; where that is streamed to the application, as that of S3's `GetObject`,
//! with the end of the stream.
//!
//! | what happens | what is recorded |
//! |---|---|
//! | an answer | operation, region, request id, retries, status, content length, for S3 its second id; parameters |
//! | an error of the service | its code and message as an exception, `remote`; 4xx error, 5xx fault |
//! | throttling: 429, or what the SDK or its code say, also with 400 | throttle beside it |
//! | time-out, refused connection, no credentials, an input that is refused | fault, with the error and its `source()` chain, no response |
//! | an answer that cannot be read | fault, with the error as `remote` |
//! | the call is dropped | fault, with an exception of type `Cancelled` |
//! | a streamed answer fails | fault, with the error as `remote`, unless a time limit of this side ended it |
//! | a streamed answer is dropped while it is read | metadata `aborted` in the namespace `xray` |
//! | a streamed answer is dropped unread | as an answer |
//! | a credential provider calls IMDS, STS or SSO | nothing, and no header |
//! | a presigned url is made | nothing: no request is sent, and the url is as it is without tracing |
//!
//! [`Untraced`] keeps a call or a client out of the trace; [`WithoutHeader`] records it and sends no header.
//!
//! # Propagation
//!
//! Each attempt carries `X-Amzn-Trace-Id`. The services take it from there: SQS hands it to the consumer as the
//! message's attribute `AWSTraceHeader`, Lambda to the function it invokes, and so do SNS, EventBridge and Step
//! Functions. The header is set before the request is signed, in the place of the one that the SDK itself sends in
//! Lambda. The signature does not cover it.
//!
//! A trace that is not sampled goes on as `Sampled=0`, and nothing is recorded. Outside any trace calls leave as they
//! are; the [context-missing strategy](xray_core::ContextMissing) speaks then, and never panics.
//!
//! # Parameters
//!
//! The [`Allowlist`] says which members of requests and responses are recorded; [its default](Allowlist::default) is
//! that of all X-Ray SDKs. No service's crate is needed for it. Members are found in this order:
//!
//! 1. Texts of the input, which the SDK tells by name, also those that travel in urls; none that the API marks
//!    sensitive. Old versions of service crates tell none.
//! 2. What the allowlist says is in a header, or the status.
//! 3. Request and response bodies in JSON, and requests in the form encoding of SNS and older services.
//!
//! Out of reach are numbers, booleans and enumerations that travel in urls, all but texts of services that speak XML
//! or CBOR, members of responses in XML or CBOR, members of members, and whatever stands in a body that is streamed,
//! compressed or larger than 64 KiB. Texts and lists are cut at 2 KiB, larger objects left out. Data that
//! the application stores or sends is never parsed: objects of S3, payloads of functions and models.
//!
//! What the allowlist names is recorded as it is; a member that the API calls sensitive, and that stands in a body,
//! too. Keep secrets off it.
//!
//! # What the caller sees
//!
//! The same results, errors and requests, but for the header.
//!
//! # With `tracing`
//!
//! The SDK opens `tracing` spans of its own for each call, with targets that begin with `aws_`: leave them out of
//! what is bridged to X-Ray, lest each call appear twice.

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
