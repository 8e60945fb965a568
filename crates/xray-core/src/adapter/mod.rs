//! What adapters for servers and clients drive: a request that was received, and a request that is made.
//!
//! An adapter translates what its framework knows and decides nothing. The types here choose names and parents, ask the
//! sampler, write the `http` block, and close the entity at the right moment. `docs/writing-an-adapter.md` in the repository
//! writes one step by step, and the crate `xray-behaviours` tests it.
//!
//! | for servers | purpose |
//! |---|---|
//! | [`ServerConfig`], [`server_option_methods!`](server_option_methods) | what users configure, and the methods for it |
//! | [`ServerRequestInfo`] | the facts of a request that decide, from its headers and its URI |
//! | [`ServerRequestDetails`] | what only a recorded segment shows |
//! | [`ServerRequest`] | the segment of one request |
//!
//! | for clients | purpose |
//! |---|---|
//! | [`ClientOptions`] | what users configure |
//! | [`ClientRequestInfo`] | the facts of a request |
//! | [`ClientRequest`] | the subsegment of one call |

mod client_options;
mod client_request;
mod client_request_info;
mod headers;
mod hook;
mod naming;
mod observed;
mod route;
mod scheme;
mod server_config;
mod server_options;
mod server_request;
mod server_request_details;
mod server_request_info;
mod transfer;

#[doc(inline)]
pub use crate::__server_option_methods as server_option_methods;
pub use crate::cause::error_chain;
pub use client_options::ClientOptions;
pub use client_request::{ClientRequest, body_failure};
pub use client_request_info::{ClientRequestInfo, copied_headers};
pub use headers::{
    CONTENT_LENGTH, GRPC_MESSAGE, GRPC_STATUS, TRACE_HEADER, TRACEPARENT, TRACESTATE, content_length, header_value,
};
pub use hook::Hook;
pub use naming::Naming;
pub use route::MatchedRoute;
pub use scheme::Scheme;
pub use server_config::ServerConfig;
pub use server_options::ServerOptions;
pub use server_request::{BodyLength, ServerRequest};
pub use server_request_details::ServerRequestDetails;
pub use server_request_info::ServerRequestInfo;
