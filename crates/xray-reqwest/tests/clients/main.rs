//! The clients against real sockets on loopback: what is recorded, what is sent, and what the caller sees.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod behaviour;
mod context;
mod faults;
mod kinds;
mod reqwest_only;
mod stacks;
