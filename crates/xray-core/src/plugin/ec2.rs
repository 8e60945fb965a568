//! EC2 instances.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;

use super::files::Files;
use super::metadata::{Client, TIMEOUT};
use super::{Detected, Plugin, origin};
use crate::env;

/// The address of the metadata service on every instance.
const ENDPOINT: &str = "http://169.254.169.254";
/// The file in which CloudWatch's agent lists the log groups that it writes to.
const LOG_CONFIG: &str = "/opt/aws/amazon-cloudwatch-agent/etc/log-config.json";

/// Detects an EC2 instance from its metadata service: id, zone, size and image. If CloudWatch's agent is installed, its
/// log groups are added.
///
/// Segments then have the origin `AWS::EC2::Instance` and this block:
///
/// ```json
/// {"aws": {"ec2": {
///     "instance_id": "i-07a181803de94c477", "availability_zone": "eu-west-1b",
///     "instance_size": "t3.micro", "ami_id": "ami-0047bf5cd4f5e0a6c"
/// }}}
/// ```
///
/// It uses version 2 of the service, which requires a token, and version 1 only if it gets no token. In a container
/// with a bridged network, the token does not arrive unless the instance allows two hops.
///
/// [`new`](Ec2::new) reads the same environment variables as the AWS SDKs:
///
/// | variable | effect |
/// |---|---|
/// | `AWS_EC2_METADATA_SERVICE_ENDPOINT` | the address of the service; overrides [`endpoint`](Ec2::endpoint) |
/// | `AWS_EC2_METADATA_DISABLED=true` | turns the plugin off |
/// | `AWS_EC2_METADATA_V1_DISABLED=true` | forbids version 1 |
///
/// ```
/// use std::time::Duration;
/// use xray_core::plugin::Ec2;
///
/// let plugin = Ec2::new().endpoint("http://[fd00:ec2::254]").timeout(Duration::from_millis(500));
/// ```
#[derive(Debug)]
#[must_use = "a plugin runs only if it is added to a recorder's builder"]
pub struct Ec2 {
    /// The address from the environment, which takes precedence.
    endpoint: Option<String>,
    own_endpoint: Option<String>,
    disabled: bool,
    version_1: bool,
    client: Client,
    files: Files,
}

impl Ec2 {
    /// Creates the plugin, and reads the environment.
    pub fn new() -> Ec2 {
        Ec2::from_lookup(env::variable)
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Ec2 {
        let is_true = |name: &str| lookup(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ec2 {
            endpoint: lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            own_endpoint: None,
            disabled: is_true("AWS_EC2_METADATA_DISABLED"),
            version_1: !is_true("AWS_EC2_METADATA_V1_DISABLED"),
            client: Client::new(TIMEOUT),
            files: Files::new(&lookup),
        }
    }

    /// Sets the address of the metadata service (default: `http://169.254.169.254`). It must be plain HTTP.
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT` overrides it. Calling this again replaces the address.
    pub fn endpoint(mut self, url: impl Into<String>) -> Ec2 {
        self.own_endpoint = Some(url.into());
        self
    }

    /// Sets the timeout of each request to the service (default: one second). Calling this again replaces the value.
    pub fn timeout(mut self, timeout: Duration) -> Ec2 {
        self.client = Client::new(timeout);
        self
    }

    /// Fetches the identity document: with a token if the service issues one, otherwise by version 1 if that is
    /// allowed.
    fn document(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let endpoint = self.endpoint.as_deref().or(self.own_endpoint.as_deref()).unwrap_or(ENDPOINT);
        let endpoint = endpoint.trim_end_matches('/');
        let lifetime = ("X-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = self.client.put(&format!("{endpoint}/latest/api/token"), lifetime);
        let token = token.map(|token| token.trim().to_owned());
        let usable = |token: &&String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let header = match token.as_ref().ok().filter(usable) {
            Some(token) => Some(("X-aws-ec2-metadata-token", token.as_str())),
            None if self.version_1 => None,
            None => {
                return Err(token.err().map_or("the metadata service returned an unusable token".into(), Into::into));
            }
        };
        let text = self.client.get(&format!("{endpoint}/latest/dynamic/instance-identity/document"), header)?;
        Ok(serde_json::from_str(&text)?)
    }
}

impl Default for Ec2 {
    fn default() -> Ec2 {
        Ec2::new()
    }
}

impl Plugin for Ec2 {
    fn name(&self) -> &str {
        "Ec2"
    }

    fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>> {
        if self.disabled {
            return Err("AWS_EC2_METADATA_DISABLED is true".into());
        }
        let document = self.document()?;
        let Some(instance) = document["instanceId"].as_str() else {
            return Err("the identity document has no `instanceId`".into());
        };
        let instance = Detected::new(origin::EC2, "ec2")
            .field("instance_id", instance)
            .field("availability_zone", &document["availabilityZone"].as_str())
            .field("instance_size", &document["instanceType"].as_str())
            .field("ami_id", &document["imageId"].as_str());
        Ok(log_groups(&self.files).into_iter().fold(instance, |instance, name| instance.log_group(name, None)))
    }
}

/// Reads the log groups of CloudWatch's agent, which is usually absent.
fn log_groups(files: &Files) -> Vec<String> {
    let config = files.read(LOG_CONFIG).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let groups = config.as_ref().and_then(|config| config["log_configs"].as_array()).into_iter().flatten();
    groups.filter_map(|group| group["log_group_name"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::{Directory, Endpoint, Reply};
    use super::*;

    const DOCUMENT: &str = r#"{"instanceId": "i-07a1", "availabilityZone": "eu-west-1b", "instanceType": "t3.micro",
        "imageId": "ami-1", "accountId": "123456789012", "region": "eu-west-1", "ramdiskId": null}"#;
    const TOKEN: &str = "/latest/api/token";

    fn plugin(endpoint: &str) -> Ec2 {
        let mut plugin = Ec2::from_lookup(|_| None).endpoint(endpoint).timeout(Duration::from_secs(10));
        plugin.client.pause = Duration::ZERO;
        plugin.files = Files::below(Directory::new().path());
        plugin
    }

    fn instance() -> Detected {
        Detected::new(origin::EC2, "ec2")
            .field("instance_id", "i-07a1")
            .field("availability_zone", "eu-west-1b")
            .field("instance_size", "t3.micro")
            .field("ami_id", "ami-1")
    }

    /// Returns the first and the last line of each request: its target and its token.
    fn requested(endpoint: &Endpoint) -> Vec<(String, String)> {
        let first_and_last = |head: &String| {
            let mut lines = head.lines();
            (lines.next().unwrap().to_owned(), lines.next_back().unwrap().to_owned())
        };
        endpoint.requests().iter().map(first_and_last).collect()
    }

    #[test]
    fn the_document_is_requested_with_a_token() {
        let endpoint = Endpoint::start(|target| Reply::ok(if target == TOKEN { "token==\n" } else { DOCUMENT }));
        assert_eq!(plugin(&endpoint.url("/")).detect().unwrap(), instance());
        let want = [
            ("PUT /latest/api/token HTTP/1.1", "x-aws-ec2-metadata-token-ttl-seconds: 60"),
            ("GET /latest/dynamic/instance-identity/document HTTP/1.1", "x-aws-ec2-metadata-token: token=="),
        ];
        assert_eq!(requested(&endpoint), want.map(|(target, header)| (target.to_owned(), header.to_owned())));
    }

    #[test]
    fn version_1_is_used_without_a_token_unless_it_is_disabled() {
        type Tokens = fn() -> Reply;
        let tokens: [Tokens; 5] = [
            || Reply::Status(403),
            || Reply::Status(503),
            || Reply::ok(""),
            || Reply::ok("two\r\nlines: here"),
            || Reply::Never,
        ];
        for token in tokens {
            let endpoint = Endpoint::start(move |target| if target == TOKEN { token() } else { Reply::ok(DOCUMENT) });
            let mut plugin = plugin(&endpoint.url("")).timeout(Duration::from_millis(300));
            assert_eq!(plugin.detect().unwrap(), instance());
            let requested = requested(&endpoint);
            assert_eq!(requested.len(), 2);
            assert!(requested[1].1.starts_with("host: "), "no token: {requested:?}");

            plugin.version_1 = false;
            plugin.detect().unwrap_err();
            assert_eq!(endpoint.requests().len(), 1, "only the token");
        }
    }

    #[test]
    fn an_absent_slow_or_malformed_service_is_an_error() {
        for wrong in ["", "no json", "[]", "{}", "7", r#"{"instanceId": 7}"#, r#"{"instanceId": "i-07a1""#] {
            let endpoint = Endpoint::start(move |target| Reply::ok(if target == TOKEN { "token" } else { wrong }));
            plugin(&endpoint.url("")).detect().expect_err(wrong);
        }
        plugin(&Endpoint::absent()).detect().unwrap_err();
        let never = Endpoint::start(|_| Reply::Never);
        plugin(&never.url("")).timeout(Duration::from_millis(20)).detect().unwrap_err();
        let failing = Endpoint::start(|_| Reply::Status(500));
        plugin(&failing.url("")).detect().unwrap_err();
        assert_eq!(failing.requests().len(), 7, "one for the token, six for the document");
    }

    #[test]
    fn the_environment_overrides_code_and_can_turn_the_plugin_off() {
        let endpoint = Endpoint::start(|target| Reply::ok(if target == TOKEN { "token" } else { DOCUMENT }));
        let with = |name: &'static str, value: String| {
            Ec2::from_lookup(move |variable| (variable == name).then(|| value.clone())).endpoint(Endpoint::absent())
        };
        assert!(with("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.url("/")).detect().is_ok());
        assert_eq!(endpoint.requests().len(), 2);
        let off = with("AWS_EC2_METADATA_DISABLED", "TRUE".to_owned()).endpoint(endpoint.url(""));
        assert_eq!(off.detect().unwrap_err().to_string(), "AWS_EC2_METADATA_DISABLED is true");
        assert_eq!(endpoint.requests().len(), 0);
        assert!(!with("AWS_EC2_METADATA_V1_DISABLED", "true".to_owned()).version_1);
    }

    #[test]
    fn the_agents_log_groups_are_added() {
        let endpoint = Endpoint::start(|target| Reply::ok(if target == TOKEN { "token" } else { DOCUMENT }));
        let config = r#"{"version": "1", "log_configs": [{"log_group_name": "shop"}, {}, {"log_group_name": "all"}]}"#;
        for (config, want) in [
            (config, instance().log_group("shop", None).log_group("all", None)),
            (r#"{"log_configs": {}}"#, instance()),
            ("no json", instance()),
        ] {
            let directory = Directory::new().with(LOG_CONFIG.trim_start_matches('/'), config);
            let mut plugin = plugin(&endpoint.url(""));
            plugin.files = Files::below(directory.path());
            assert_eq!(plugin.detect().unwrap(), want);
        }
    }
}
