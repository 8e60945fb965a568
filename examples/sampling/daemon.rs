//! The source of the sampling rules: a receiver in this process, unless the environment names a daemon.

use std::error::Error;

use xray_core::emit::DaemonAddress;
use xray_local::{Receiver, SamplingRules};

/// The rules file, in the format that `aws xray get-sampling-rules` prints.
pub(crate) const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rules.json");

/// A receiver in this process, unless the environment names a daemon.
pub(crate) struct Daemon {
    receiver: Option<Receiver>,
}

impl Daemon {
    pub(crate) fn start() -> Result<Daemon, Box<dyn Error>> {
        if let Some(address) = std::env::var_os("AWS_XRAY_DAEMON_ADDRESS") {
            println!("Using the sampling rules of the daemon at {}.\n", address.to_string_lossy());
            return Ok(Daemon { receiver: None });
        }
        println!("AWS_XRAY_DAEMON_ADDRESS is not set. Using the sampling rules in\n{RULES}\n");
        let receiver = Receiver::builder()
            .rules(SamplingRules::from_file(RULES)?)
            .on_sampling(|event| println!("  {event}"))
            .bind("127.0.0.1:0")?;
        Ok(Daemon { receiver: Some(receiver) })
    }

    /// Returns the daemon address for the recorder. The environment takes precedence over it.
    pub(crate) fn address(&self) -> Result<DaemonAddress, Box<dyn Error>> {
        Ok(match &self.receiver {
            Some(receiver) => receiver.address().into(),
            None => DaemonAddress::default(),
        })
    }
}
