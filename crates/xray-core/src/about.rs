//! What every segment says about the process that sends it: SDK, service, host.

use crate::document::json;

/// The blocks `aws` and `service`, and the working directory of exceptions, encoded once.
#[derive(Debug)]
pub(crate) struct About {
    sdk: Vec<u8>,
    service: Vec<u8>,
    working_directory: Vec<u8>,
}

impl About {
    pub(crate) fn new(name: Option<&str>, version: Option<&str>) -> About {
        let mut sdk = Vec::new();
        json::text_member(&mut sdk, "sdk", "X-Ray for Rust");
        json::text_member(&mut sdk, "sdk_version", env!("CARGO_PKG_VERSION"));
        let mut service = Vec::new();
        for (member, text) in [
            ("name", name),
            ("version", version),
            ("runtime", Some("rustc")),
            ("runtime_version", Some(env!("XRAY_RUSTC_VERSION"))),
        ] {
            if let Some(text) = text {
                json::text_member(&mut service, member, text);
            }
        }
        let mut working_directory = Vec::new();
        let current = std::env::current_dir().unwrap_or_default();
        json::string(&mut working_directory, &current.to_string_lossy());
        About { sdk, service, working_directory }
    }

    /// The members of a segment, `rule` being the central sampling rule that had it recorded.
    pub(crate) fn write(&self, out: &mut Vec<u8>, rule: Option<&str>) {
        json::raw(out, ",\"aws\":{\"xray\":{");
        // Without the first comma.
        out.extend_from_slice(&self.sdk[1..]);
        if let Some(rule) = rule {
            json::text_member(out, "sampling_rule_name", rule);
        }
        json::raw(out, "}},\"service\":{");
        out.extend_from_slice(&self.service[1..]);
        out.push(b'}');
    }

    /// As a JSON string.
    pub(crate) fn working_directory(&self) -> &[u8] {
        &self.working_directory
    }
}
