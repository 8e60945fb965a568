//! What adapters for servers and clients drive: a request that was received, and a request that is made.
//!
//! An adapter translates what its framework knows and decides nothing. The types here choose names and parents, ask the
//! sampler, write the `http` block, and close the entity at the right moment.

mod client_request;
mod hook;
mod naming;
mod route;
mod scheme;
mod server_request;
mod transfer;

pub use crate::cause::error_chain;
pub use client_request::{ClientOptions, ClientRequest, ClientRequestInfo, body_failure, copied_headers, header_value};
pub use hook::Hook;
pub use naming::Naming;
pub use route::MatchedRoute;
pub use scheme::Scheme;
pub use server_request::{BodyLength, ServerOptions, ServerRequest, ServerRequestInfo};
