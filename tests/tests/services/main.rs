//! Tests of the services as users run them: in a separate process, with real TCP and UDP, configured only by the
//! environment.
//!
//! Every test runs for every framework with the same expectations.

mod behaviours;
mod configuration;
mod daemons;
mod load;
mod proxies;
mod service;
mod unfinished;
