//! x
mod body;

mod call;
mod client;
mod failure;
mod interceptor;
mod members;
mod whitelist;
pub use interceptor::XRayInterceptor;
pub use whitelist::{Parameter, Parameters, Whitelist, WhitelistError, WhitelistPlace, field_name};
