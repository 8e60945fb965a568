//! A real function under a real `lambda_runtime` loop, beside a stand-in of Lambda's Runtime API and a socket in
//! the place of the daemon.
//!
//! The function is this program again, as a child process: the runtime takes its configuration from the
//! environment, which cannot be changed in a process with other threads.

#![allow(clippy::unwrap_used)]

mod bursts;
mod function;
mod invocations;
#[path = "../support/platform.rs"]
mod platform;
mod wrapper;
