//! Real clients of the AWS SDK against real sockets on loopback: what is recorded, what is sent, and what the caller
//! sees.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod context;
mod credentials;
mod documents;
mod http_client;
mod moto;
mod opt_out;
mod parameters;
mod streams;
mod stub;
mod unchanged;
