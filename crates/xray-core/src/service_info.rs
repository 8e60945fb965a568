//! The members of each segment that describe its process: SDK, service, platform.

use std::sync::{Arc, OnceLock};

use crate::document::json;
use crate::plugin::{Platform, write_log_groups};

/// The number of characters that the names of the service, its version and the sampling rule keep. Each segment has
/// them, and none of them can be trimmed.
const MAX_NAME: usize = 200;

/// The blocks `aws` and `service`, and the working directory for exceptions, encoded once per recorder.
#[derive(Debug)]
pub(crate) struct ServiceInfo {
    /// The start of `aws`, up to the name of the sampling rule.
    sdk: Vec<u8>,
    /// The end of `aws`, with the log group from `AWS_LOG_GROUP`, and `service`.
    service: Vec<u8>,
    working_directory: Vec<u8>,
    /// Set later, when plugins have detected the platform.
    platform: Arc<OnceLock<Platform>>,
}

impl ServiceInfo {
    /// Encodes the members. `name` and `version` are those of the application.
    pub(crate) fn new(name: Option<&str>, version: Option<&str>, log_group: Option<&str>) -> ServiceInfo {
        let mut sdk = Vec::new();
        json::raw(&mut sdk, ",\"aws\":{\"xray\":{\"sdk\":\"X-Ray for Rust\"");
        json::text_member(&mut sdk, "sdk_version", env!("CARGO_PKG_VERSION"));
        let mut service = Vec::new();
        write_log_groups(&mut service, log_group.map(|name| (name, None)));
        json::raw(&mut service, "},\"service\":{");
        for (member, text) in [("name", name), ("version", version)] {
            if let Some(text) = text {
                json::string(&mut service, member);
                json::raw(&mut service, ":");
                json::string(&mut service, json::bounded(text, MAX_NAME));
                json::raw(&mut service, ",");
            }
        }
        json::raw(&mut service, "\"runtime\":\"rustc\"");
        json::text_member(&mut service, "runtime_version", env!("XRAY_RUSTC_VERSION"));
        json::raw(&mut service, "}");
        let mut working_directory = Vec::new();
        let current = std::env::current_dir().unwrap_or_default();
        json::string(&mut working_directory, &current.to_string_lossy());
        ServiceInfo { sdk, service, working_directory, platform: Arc::default() }
    }

    /// Writes the members of a segment. `rule` is the central sampling rule because of which it is recorded.
    pub(crate) fn write(&self, out: &mut Vec<u8>, rule: Option<&str>) {
        let platform = self.platform.get();
        if let Some(platform) = platform {
            platform.write_origin(out);
        }
        out.extend_from_slice(&self.sdk);
        if let Some(rule) = rule {
            json::text_member(out, "sampling_rule_name", json::bounded(rule, MAX_NAME));
        }
        json::raw(out, "}");
        if let Some(platform) = platform {
            platform.write_blocks(out);
        }
        out.extend_from_slice(&self.service);
    }

    /// Returns the place for the platform that plugins detect.
    pub(crate) fn platform(&self) -> &Arc<OnceLock<Platform>> {
        &self.platform
    }

    /// Returns the kind of platform, such as `AWS::EC2::Instance`, if a plugin has detected it.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.platform.get()?.origin()
    }

    /// Returns the working directory as a JSON string.
    pub(crate) fn working_directory(&self) -> &[u8] {
        &self.working_directory
    }
}
