//! The services as users run them: a process of its own, real TCP in front, real UDP behind, configured by the
//! environment alone.
//!
//! Every test runs for every framework: what is expected is told once.

mod behaviours;
mod configuration;
mod daemons;
mod load;
mod proxies;
mod service;
mod unfinished;
