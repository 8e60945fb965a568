//! Where the traces are seen: in this terminal, unless a daemon is named in the environment.

use std::error::Error;
use std::io::{Result, stdout};
use std::time::Duration;

use xray_core::emit::DaemonAddress;
use xray_local::{Receiver, Style, printer};

/// A receiver in this process, if one is needed.
pub(crate) struct Viewer {
    receiver: Option<Receiver>,
}

impl Viewer {
    pub(crate) fn start() -> Result<Viewer> {
        if let Some(address) = std::env::var_os("AWS_XRAY_DAEMON_ADDRESS") {
            println!("Traces go to the daemon at {}.\n", address.to_string_lossy());
            return Ok(Viewer { receiver: None });
        }
        println!("No AWS_XRAY_DAEMON_ADDRESS: traces are drawn here.\n");
        let style = Style::detect(&stdout());
        let receiver = Receiver::builder().on_trace(printer(stdout(), style)).bind("127.0.0.1:0")?;
        Ok(Viewer { receiver: Some(receiver) })
    }

    /// Where the recorder is to send. The environment wins over it.
    pub(crate) fn daemon(&self) -> std::result::Result<DaemonAddress, Box<dyn Error>> {
        Ok(match &self.receiver {
            Some(receiver) => receiver.address().into(),
            None => DaemonAddress::default(),
        })
    }

    /// Waits until so many traces have been drawn.
    pub(crate) fn wait_for(&self, traces: usize) {
        if let Some(receiver) = &self.receiver {
            receiver.wait_for(traces, Duration::from_secs(10));
        }
    }
}
