//! What every segment says about the process that sends it: SDK, service, host.

use std::sync::{Arc, OnceLock};

use crate::document::json;
use crate::plugin::{Platform, write_log_groups};

/// Characters that are kept of the names of the service, its version and the sampling rule. Each segment has them, and
/// none of them can be shed.
const MAX_NAME: usize = 200;

/// The blocks `aws` and `service`, and the working directory of exceptions, encoded once.
#[derive(Debug)]
pub(crate) struct ServiceInfo {
    sdk: Vec<u8>,
    service: Vec<u8>,
    working_directory: Vec<u8>,
    /// Comes later, when plugins have found anything.
    platform: Arc<OnceLock<Platform>>,
    /// The member of `aws` that names the log group of the platform.
    log_groups: Vec<u8>,
}

impl ServiceInfo {
    pub(crate) fn new(name: Option<&str>, version: Option<&str>, log_group: Option<&str>) -> ServiceInfo {
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
                json::text_member(&mut service, member, json::bounded(text, MAX_NAME));
            }
        }
        let mut working_directory = Vec::new();
        let current = std::env::current_dir().unwrap_or_default();
        json::string(&mut working_directory, &current.to_string_lossy());
        let mut log_groups = Vec::new();
        write_log_groups(&mut log_groups, log_group.map(|name| (name, None)));
        ServiceInfo { sdk, service, working_directory, platform: Arc::default(), log_groups }
    }

    /// The members of a segment, `rule` being the central sampling rule that had it recorded.
    pub(crate) fn write(&self, out: &mut Vec<u8>, rule: Option<&str>) {
        let platform = self.platform.get();
        if let Some(platform) = platform {
            platform.write_origin(out);
        }
        json::raw(out, ",\"aws\":{\"xray\":{");
        // Without the first comma.
        out.extend_from_slice(&self.sdk[1..]);
        if let Some(rule) = rule {
            json::text_member(out, "sampling_rule_name", json::bounded(rule, MAX_NAME));
        }
        out.push(b'}');
        if let Some(platform) = platform {
            platform.write_blocks(out);
        }
        out.extend_from_slice(&self.log_groups);
        json::raw(out, "},\"service\":{");
        out.extend_from_slice(&self.service[1..]);
        out.push(b'}');
    }

    /// Where the plugins put what they find.
    pub(crate) fn platform(&self) -> &Arc<OnceLock<Platform>> {
        &self.platform
    }

    /// What the service runs on, as soon as a plugin has found out.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.platform.get()?.origin()
    }

    /// As a JSON string.
    pub(crate) fn working_directory(&self) -> &[u8] {
        &self.working_directory
    }
}
