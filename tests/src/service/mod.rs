//! A service that does all that is to be traced: the same routes on every framework.
//!
//! What a route does is told once, in [`behaviour`]; a framework's module only turns requests into its calls and its
//! results into responses.

pub mod actix;
mod arguments;
pub mod axum;
pub mod behaviour;

use std::fmt;
use std::io;
use std::process::ExitCode;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use xray_core::Recorder;

pub use arguments::{Arguments, ParseArgumentsError};

/// The only error of the service's handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError(pub(crate) String);

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServiceError {}

/// Runs a service from its arguments to its exit code: it serves until SIGTERM, then ends in order.
///
/// The environment alone configures the recorder, which is installed for the process.
pub fn main<F: Future<Output = io::Result<()>>>(serve: impl FnOnce(Arguments) -> F) -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // Nothing is said in code, so nothing can be wrong. It flushes when it is dropped: last of all.
    let _flushed = Recorder::builder().build().unwrap_or_else(|_| Recorder::disabled()).install();
    let served = Runtime::new().and_then(|runtime| runtime.block_on(serve(arguments)));
    // The runtime is gone, and with it all tasks: what they held open is closed.
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the service failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Resolves when the process is to end. It listens from the moment it is made.
fn termination() -> io::Result<impl Future<Output = ()>> {
    let mut signal: Signal = signal(SignalKind::terminate())?;
    Ok(async move {
        signal.recv().await;
    })
}
