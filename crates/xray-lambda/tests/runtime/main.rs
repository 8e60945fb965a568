//! A real function under a real `lambda_runtime` loop, with a stub of Lambda's Runtime API and a socket instead of the
//! daemon.
//!
//! The function is this program, run as a child process, because the runtime reads its configuration from the
//! environment, which must not be changed in a process with other threads.

#![allow(clippy::unwrap_used)]

mod bursts;
mod function;
mod invocations;
#[path = "../support/platform.rs"]
mod platform;
mod wrapper;
