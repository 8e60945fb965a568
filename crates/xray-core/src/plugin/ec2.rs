//! EC2 instances.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;

use super::files::Files;
use super::metadata::{Client, TIMEOUT};
use super::{Detected, Plugin};
use crate::env;

pub(super) const ORIGIN: &str = "AWS::EC2::Instance";

/// Where every instance finds its metadata.
const ENDPOINT: &str = "http://169.254.169.254";
/// Where CloudWatch's agent notes which log groups it fills.
const LOG_CONFIG: &str = "/opt/aws/amazon-cloudwatch-agent/etc/log-config.json";

/// Describes an EC2 instance by its metadata service: id, zone, size and image. The log groups are those of
/// CloudWatch's agent, if it runs.
///
/// It speaks version 2 of the service (a token first), and version 1 only when there is no token. In a container
/// with a bridged network the token does not arrive unless the instance allows two hops.
///
/// These variables of all AWS SDKs are read when it is made: `AWS_EC2_METADATA_SERVICE_ENDPOINT` is the service's
/// address; `AWS_EC2_METADATA_DISABLED=true` turns detection off, `AWS_EC2_METADATA_V1_DISABLED=true` version 1.
///
/// ```
/// use std::time::Duration;
/// use xray_core::plugin::Ec2;
///
/// let plugin = Ec2::new().endpoint("http://[fd00:ec2::254]").timeout(Duration::from_millis(500));
/// ```
#[derive(Debug)]
#[must_use = "a plugin is asked when it is given to a recorder's builder"]
pub struct Ec2 {
    /// What the environment says, which wins.
    endpoint: Option<String>,
    own_endpoint: Option<String>,
    disabled: bool,
    version_1: bool,
    client: Client,
    files: Files,
}

impl Ec2 {
    /// Reads the environment.
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

    /// Where the metadata service is (default: `http://169.254.169.254`). `AWS_EC2_METADATA_SERVICE_ENDPOINT`
    /// overrides it. It is plain HTTP in any case.
    pub fn endpoint(mut self, url: impl Into<String>) -> Ec2 {
        self.own_endpoint = Some(url.into());
        self
    }

    /// How long to wait for each of the service's answers (default: a second).
    pub fn timeout(mut self, timeout: Duration) -> Ec2 {
        self.client = Client::new(timeout);
        self
    }

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
            None => return Err(token.err().map_or("the token cannot be used".into(), Into::into)),
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
            return Err("AWS_EC2_METADATA_DISABLED is set".into());
        }
        let document = self.document()?;
        let Some(instance) = document["instanceId"].as_str() else {
            return Err("the identity document names no instance".into());
        };
        let host = Detected::new(ORIGIN, "ec2")
            .field("instance_id", instance)
            .field("availability_zone", &document["availabilityZone"].as_str())
            .field("instance_size", &document["instanceType"].as_str())
            .field("ami_id", &document["imageId"].as_str());
        Ok(log_groups(&self.files).into_iter().fold(host, |host, name| host.log_group(name, None)))
    }
}

/// The agent is absent more often than not.
fn log_groups(files: &Files) -> Vec<String> {
    let config = files.read(LOG_CONFIG).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let groups = config.as_ref().and_then(|config| config["log_configs"].as_array()).into_iter().flatten();
    groups.filter_map(|group| group["log_group_name"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::{Answer, Directory, Endpoint};
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

    fn host() -> Detected {
        Detected::new(ORIGIN, "ec2")
            .field("instance_id", "i-07a1")
            .field("availability_zone", "eu-west-1b")
            .field("instance_size", "t3.micro")
            .field("ami_id", "ami-1")
    }

    /// The first and the last line of each request, which are its target and its token.
    fn asked(endpoint: &Endpoint) -> Vec<(String, String)> {
        let first_and_last = |head: &String| {
            let mut lines = head.lines();
            (lines.next().unwrap().to_owned(), lines.next_back().unwrap().to_owned())
        };
        endpoint.requests().iter().map(first_and_last).collect()
    }

    #[test]
    fn the_document_is_asked_for_with_a_token() {
        let endpoint = Endpoint::start(|target| Answer::ok(if target == TOKEN { "token==\n" } else { DOCUMENT }));
        assert_eq!(plugin(&endpoint.url("/")).detect().unwrap(), host());
        let want = [
            ("PUT /latest/api/token HTTP/1.1", "x-aws-ec2-metadata-token-ttl-seconds: 60"),
            ("GET /latest/dynamic/instance-identity/document HTTP/1.1", "x-aws-ec2-metadata-token: token=="),
        ];
        assert_eq!(asked(&endpoint), want.map(|(target, header)| (target.to_owned(), header.to_owned())));
    }

    #[test]
    fn version_1_serves_when_there_is_no_token_and_it_is_not_forbidden() {
        type Tokens = fn() -> Answer;
        let tokens: [Tokens; 5] = [
            || Answer::Status(403),
            || Answer::Status(503),
            || Answer::ok(""),
            || Answer::ok("two\r\nlines: here"),
            || Answer::Never,
        ];
        for token in tokens {
            let endpoint = Endpoint::start(move |target| if target == TOKEN { token() } else { Answer::ok(DOCUMENT) });
            let mut plugin = plugin(&endpoint.url("")).timeout(Duration::from_millis(300));
            assert_eq!(plugin.detect().unwrap(), host());
            let asked = asked(&endpoint);
            assert_eq!(asked.len(), 2);
            assert!(asked[1].1.starts_with("host: "), "no token: {asked:?}");

            plugin.version_1 = false;
            plugin.detect().unwrap_err();
            assert_eq!(endpoint.requests().len(), 1, "the token alone");
        }
    }

    #[test]
    fn an_absent_a_slow_and_a_wrong_service_deliver_nothing() {
        for wrong in ["", "no json", "[]", "{}", "7", r#"{"instanceId": 7}"#, r#"{"instanceId": "i-07a1""#] {
            let endpoint = Endpoint::start(move |target| Answer::ok(if target == TOKEN { "token" } else { wrong }));
            plugin(&endpoint.url("")).detect().expect_err(wrong);
        }
        plugin(&Endpoint::absent()).detect().unwrap_err();
        let never = Endpoint::start(|_| Answer::Never);
        plugin(&never.url("")).timeout(Duration::from_millis(20)).detect().unwrap_err();
        let failing = Endpoint::start(|_| Answer::Status(500));
        plugin(&failing.url("")).detect().unwrap_err();
        assert_eq!(failing.requests().len(), 7, "one for the token, six for the document");
    }

    #[test]
    fn the_environment_wins_and_can_turn_it_off() {
        let endpoint = Endpoint::start(|target| Answer::ok(if target == TOKEN { "token" } else { DOCUMENT }));
        let with = |name: &'static str, value: String| {
            Ec2::from_lookup(move |asked| (asked == name).then(|| value.clone())).endpoint(Endpoint::absent())
        };
        assert!(with("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.url("/")).detect().is_ok());
        assert_eq!(endpoint.requests().len(), 2);
        let off = with("AWS_EC2_METADATA_DISABLED", "TRUE".to_owned()).endpoint(endpoint.url(""));
        assert_eq!(off.detect().unwrap_err().to_string(), "AWS_EC2_METADATA_DISABLED is set");
        assert_eq!(endpoint.requests().len(), 0);
        assert!(!with("AWS_EC2_METADATA_V1_DISABLED", "true".to_owned()).version_1);
    }

    #[test]
    fn the_agents_log_groups_are_named() {
        let endpoint = Endpoint::start(|target| Answer::ok(if target == TOKEN { "token" } else { DOCUMENT }));
        let config = r#"{"version": "1", "log_configs": [{"log_group_name": "shop"}, {}, {"log_group_name": "all"}]}"#;
        for (config, want) in [
            (config, host().log_group("shop", None).log_group("all", None)),
            (r#"{"log_configs": {}}"#, host()),
            ("no json", host()),
        ] {
            let directory = Directory::new().with(LOG_CONFIG.trim_start_matches('/'), config);
            let mut plugin = plugin(&endpoint.url(""));
            plugin.files = Files::below(directory.path());
            assert_eq!(plugin.detect().unwrap(), want);
        }
    }
}
