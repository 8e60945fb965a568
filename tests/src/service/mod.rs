//! A service with everything that can be traced: the same routes on every framework.
//!
//! [`behaviour`] defines what the routes do. A framework's module only converts requests into calls of it, and its
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

/// Parses the arguments, serves until SIGTERM, shuts down in order, and returns the exit code.
///
/// Installs a global recorder, which only the environment configures.
pub fn main<F: Future<Output = io::Result<()>>>(serve: impl FnOnce(Arguments) -> F) -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // Without settings in code, building cannot fail. The guard is dropped last, and flushes.
    let _flushed = Recorder::builder().build().unwrap_or_else(|_| Recorder::disabled()).install();
    let served = Runtime::new().and_then(|runtime| runtime.block_on(serve(arguments)));
    // The runtime has ended and dropped its tasks, which closes the entities that they held open.
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the service failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns a future that resolves at SIGTERM. The signal is caught from this call on.
fn termination() -> io::Result<impl Future<Output = ()>> {
    let mut signal: Signal = signal(SignalKind::terminate())?;
    Ok(async move {
        signal.recv().await;
    })
}
