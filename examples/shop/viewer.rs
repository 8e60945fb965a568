//! Shows the traces in this terminal and in the browser, unless the environment names a daemon.

use std::error::Error;
use std::io::{Result, stdout};
use std::time::Duration;

use xray_core::emit::DaemonAddress;
use xray_local::{Receiver, Style, printer};

/// A receiver in this process, unless the environment names a daemon.
pub(crate) struct Viewer {
    receiver: Option<Receiver>,
}

impl Viewer {
    pub(crate) fn start() -> Result<Viewer> {
        if let Some(address) = std::env::var_os("AWS_XRAY_DAEMON_ADDRESS") {
            println!("Sending traces to the daemon at {}.\n", address.to_string_lossy());
            return Ok(Viewer { receiver: None });
        }
        let style = Style::detect(&stdout());
        let receiver = Receiver::builder().on_trace(printer(stdout(), style)).bind("127.0.0.1:0")?;
        println!("AWS_XRAY_DAEMON_ADDRESS is not set. Traces are printed here, and shown at {}\n", receiver.page());
        Ok(Viewer { receiver: Some(receiver) })
    }

    /// Returns the address of the page with the traces, if they are shown here.
    pub(crate) fn page(&self) -> Option<String> {
        self.receiver.as_ref().map(Receiver::page)
    }

    /// Returns the daemon address for the recorder. The environment takes precedence over it.
    pub(crate) fn daemon(&self) -> std::result::Result<DaemonAddress, Box<dyn Error>> {
        Ok(match &self.receiver {
            Some(receiver) => receiver.address().into(),
            None => DaemonAddress::default(),
        })
    }

    /// Waits until this many traces have been printed, for at most 10 seconds.
    pub(crate) fn wait_for(&self, traces: usize) {
        if let Some(receiver) = &self.receiver {
            receiver.wait_for(traces, Duration::from_secs(10));
        }
    }
}
