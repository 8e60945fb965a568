//! Who answers for the X-Ray service: this process, unless a daemon is named in the environment.

use std::error::Error;

use xray_core::emit::DaemonAddress;
use xray_local::{Receiver, SamplingRules};

/// The rules, in the form in which `aws xray get-sampling-rules` prints an account's.
pub(crate) const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sampling/rules.json");

/// A receiver in this process, if one is needed.
pub(crate) struct Daemon {
    receiver: Option<Receiver>,
}

impl Daemon {
    pub(crate) fn start() -> Result<Daemon, Box<dyn Error>> {
        if let Some(address) = std::env::var_os("AWS_XRAY_DAEMON_ADDRESS") {
            println!("The rules are those that the daemon at {} gives.\n", address.to_string_lossy());
            return Ok(Daemon { receiver: None });
        }
        println!("No AWS_XRAY_DAEMON_ADDRESS: the rules are those of\n{RULES}\n");
        let receiver = Receiver::builder()
            .rules(SamplingRules::from_file(RULES)?)
            .on_sampling(|event| println!("  {event}"))
            .bind("127.0.0.1:0")?;
        Ok(Daemon { receiver: Some(receiver) })
    }

    /// Where the recorder is to send and to ask. The environment wins over it.
    pub(crate) fn address(&self) -> Result<DaemonAddress, Box<dyn Error>> {
        Ok(match &self.receiver {
            Some(receiver) => receiver.address().into(),
            None => DaemonAddress::default(),
        })
    }
}
