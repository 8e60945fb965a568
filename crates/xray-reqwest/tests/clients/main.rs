//! The clients against real sockets on loopback: what is recorded, what is sent, what the caller sees.

mod behaviour;
mod context;
mod faults;
mod kinds;
mod phases;
mod reqwest_only;
mod server;
