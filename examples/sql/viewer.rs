//! Shows the traces: on the page of `xray-local` if it runs, otherwise in this terminal.

use std::io::{Read, Result, Write, stdout};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use xray_core::emit::DaemonAddress;
use xray_local::{Receiver, Style, printer};

/// The address to which SDKs send by default.
const DEFAULT: &str = "127.0.0.1:2000";

/// A receiver in this process, unless traces are sent elsewhere.
pub(crate) struct Viewer {
    receiver: Option<Receiver>,
}

impl Viewer {
    pub(crate) fn start() -> Result<Viewer> {
        let configured = std::env::var("AWS_XRAY_DAEMON_ADDRESS").ok();
        let address = configured.as_deref().unwrap_or(DEFAULT);
        if has_page(address) {
            println!("The traces are on the page http://{address}/\n");
            return Ok(Viewer { receiver: None });
        }
        if configured.is_some() {
            println!("Sending traces to the daemon at {address}.\n");
            return Ok(Viewer { receiver: None });
        }
        println!("Neither xray-local nor AWS_XRAY_DAEMON_ADDRESS was found. Traces are printed here.\n");
        let style = Style::detect(&stdout());
        let receiver = Receiver::builder().on_trace(printer(stdout(), style)).bind("127.0.0.1:0")?;
        Ok(Viewer { receiver: Some(receiver) })
    }

    /// Returns the daemon address for the recorder. The environment takes precedence over it.
    pub(crate) fn daemon(&self) -> DaemonAddress {
        match &self.receiver {
            Some(receiver) => receiver.address().into(),
            None => DaemonAddress::default(),
        }
    }

    /// Waits until this many traces have been printed, for at most 10 seconds.
    pub(crate) fn wait_for(&self, traces: usize) {
        if let Some(receiver) = &self.receiver {
            receiver.wait_for(traces, Duration::from_secs(10));
        }
    }
}

/// Whether a page is served at the address of the daemon. The X-Ray daemon has none.
fn has_page(address: &str) -> bool {
    let respond = || -> Result<String> {
        let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
        let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(connection, "GET / HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        connection.take(4096).read_to_string(&mut response)?;
        Ok(response)
    };
    respond().is_ok_and(|response| response.starts_with("HTTP/1.1 200") && response.contains("text/html"))
}
