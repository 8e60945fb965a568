//! Containers of ECS tasks.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;

use super::files::Files;
use super::metadata::{Client, TIMEOUT};
use super::{Detected, Plugin, origin};
use crate::env;

/// Detects an ECS container, on EC2 or Fargate: its host name, its id, its ARN, and the log group that the `awslogs`
/// driver writes to.
///
/// Segments then have the origin `AWS::ECS::Container` and these blocks:
///
/// ```json
/// {"aws": {
///     "ecs": {
///         "container": "ip-10-0-0-7", "container_id": "cd189a933e5849daa93386466019ab50-2495160603",
///         "container_arn": "arn:aws:ecs:us-west-2:111122223333:container/shop/cd189a93/0206b271"
///     },
///     "cloudwatch_logs": [{"log_group": "/ecs/shop", "arn": "arn:aws:logs:us-west-2:111122223333:log-group:/ecs/shop"}]
/// }}
/// ```
///
/// ECS sets the address of the metadata endpoint in each container: `ECS_CONTAINER_METADATA_URI_V4`, or on old
/// platforms `ECS_CONTAINER_METADATA_URI`, whose version 3 has neither ARN nor logs. [`new`](Ecs::new) reads both.
/// Without either, the process does not run on ECS and the plugin detects nothing.
///
/// ```
/// use std::time::Duration;
/// use xray_core::Recorder;
/// use xray_core::plugin::Ecs;
///
/// let recorder = Recorder::builder().plugin(Ecs::new().timeout(Duration::from_millis(500))).build();
/// # assert!(recorder.is_ok());
/// ```
#[derive(Debug)]
#[must_use = "a plugin runs only if it is added to a recorder's builder"]
pub struct Ecs {
    /// The address from the environment, which takes precedence.
    endpoint: Option<String>,
    own_endpoint: Option<String>,
    client: Client,
    files: Files,
}

impl Ecs {
    /// Creates the plugin, and reads the environment.
    pub fn new() -> Ecs {
        Ecs::from_lookup(env::variable)
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Ecs {
        let endpoint = lookup("ECS_CONTAINER_METADATA_URI_V4").or_else(|| lookup("ECS_CONTAINER_METADATA_URI"));
        Ecs { endpoint, own_endpoint: None, client: Client::new(TIMEOUT), files: Files::new(&lookup) }
    }

    /// Sets the address of the metadata endpoint, used if the environment has none (default: none). It must be plain
    /// HTTP. Calling this again replaces the address.
    pub fn endpoint(mut self, url: impl Into<String>) -> Ecs {
        self.own_endpoint = Some(url.into());
        self
    }

    /// Sets the timeout of each request (default: one second). Calling this again replaces the value.
    pub fn timeout(mut self, timeout: Duration) -> Ecs {
        self.client = Client::new(timeout);
        self
    }
}

impl Default for Ecs {
    fn default() -> Ecs {
        Ecs::new()
    }
}

impl Plugin for Ecs {
    fn name(&self) -> &str {
        "Ecs"
    }

    fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>> {
        let endpoint = self.endpoint.as_ref().or(self.own_endpoint.as_ref());
        let endpoint = endpoint.ok_or("ECS_CONTAINER_METADATA_URI_V4 is not set")?;
        if !endpoint.starts_with("http://") {
            return Err(format!("the metadata address {endpoint:?} does not start with http://").into());
        }
        let metadata: Value = serde_json::from_str(&self.client.get(endpoint, None)?)?;
        if !metadata.is_object() {
            return Err("the metadata is not a JSON object".into());
        }
        let arn = metadata["ContainerARN"].as_str();
        // On Fargate the control group does not name the container. `DockerId` is its id there, despite the name.
        let id = self.files.container_id().or_else(|| metadata["DockerId"].as_str().map(str::to_owned));
        let container = Detected::new(origin::ECS, "ecs")
            .field("container", &self.files.host_name())
            .field("container_id", &id)
            .field("container_arn", &arn);
        Ok(match log_group(&metadata) {
            Some(group) => container.log_group(group, log_group_arn(&metadata, group)),
            None => container,
        })
    }
}

/// Returns the log group, if the driver is `awslogs`. Other drivers do not write to CloudWatch, or do not say where.
fn log_group(metadata: &Value) -> Option<&str> {
    let driver = metadata["LogDriver"].as_str()?;
    metadata["LogOptions"]["awslogs-group"].as_str().filter(|_| driver == "awslogs")
}

/// Builds the ARN of the log group from that of the container, `arn:aws:ecs:eu-west-1:123456789012:container/…`.
fn log_group_arn(metadata: &Value, group: &str) -> Option<String> {
    let mut parts = metadata["ContainerARN"].as_str()?.split(':');
    let (Some("arn"), Some(partition), Some("ecs"), Some(region), Some(account)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let region = metadata["LogOptions"]["awslogs-region"].as_str().unwrap_or(region);
    Some(format!("arn:{partition}:logs:{region}:{account}:log-group:{group}"))
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::{Directory, Endpoint, Reply};
    use super::*;

    const ARN: &str = "arn:aws:ecs:us-west-2:111122223333:container/c/t/0206b271";
    const VERSION_4: &str = r#"{"DockerId": "cd189a93-2495160603", "Name": "shop", "Image": "shop:1",
        "Labels": {"com.amazonaws.ecs.cluster": "default"}, "KnownStatus": "RUNNING", "Type": "NORMAL",
        "LogDriver": "awslogs", "LogOptions": {"awslogs-group": "/ecs/shop", "awslogs-region": "eu-west-1",
        "awslogs-stream": "ecs/shop/cd18"}, "ContainerARN": "arn:aws:ecs:us-west-2:111122223333:container/c/t/0206b271"}"#;
    const VERSION_3: &str = r#"{"DockerId": "43481a6c", "Name": "shop", "Networks": []}"#;

    fn directory() -> Directory {
        Directory::new().with("proc/sys/kernel/hostname", "169254170002-2495160603\n")
    }

    fn plugin(endpoint: &str, directory: &Directory) -> Ecs {
        let mut plugin = Ecs::from_lookup(|_| None).endpoint(endpoint).timeout(Duration::from_secs(10));
        plugin.client.pause = Duration::ZERO;
        plugin.files = Files::below(directory.path());
        plugin
    }

    #[test]
    fn version_4_has_id_arn_and_log_group() {
        let endpoint = Endpoint::start(|_| Reply::ok(VERSION_4));
        let container = Detected::new(origin::ECS, "ecs").field("container", "169254170002-2495160603");
        let logs = "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/shop".to_owned();
        let group = "9:memory:/ecs/t/".to_owned() + &"0123456789abcdef".repeat(4);
        for (directory, id) in [
            (directory(), "cd189a93-2495160603"),
            (directory().with("proc/self/cgroup", &group), &group[group.len() - 64..]),
        ] {
            let want = container.clone().field("container_id", id).field("container_arn", ARN);
            let want = want.log_group("/ecs/shop", Some(logs.clone()));
            assert_eq!(plugin(&endpoint.url("/v4/cd18"), &directory).detect().unwrap(), want);
        }
        assert!(endpoint.requests().iter().all(|head| head.starts_with("GET /v4/cd18 HTTP/1.1\nhost: ")));
    }

    #[test]
    fn version_3_has_only_the_id() {
        let endpoint = Endpoint::start(|_| Reply::ok(VERSION_3));
        let want = Detected::new(origin::ECS, "ecs")
            .field("container", "169254170002-2495160603")
            .field("container_id", "43481a6c");
        assert_eq!(plugin(&endpoint.url("/v3/4348"), &directory()).detect().unwrap(), want);
    }

    #[test]
    fn an_absent_slow_or_malformed_endpoint_is_an_error() {
        for wrong in ["", "no json", "[]", "7", "null", r#"{"DockerId": "43481a6c""#] {
            let endpoint = Endpoint::start(move |_| Reply::ok(wrong));
            plugin(&endpoint.url("/v4"), &directory()).detect().expect_err(wrong);
        }
        plugin(&Endpoint::absent(), &directory()).detect().unwrap_err();
        let never = Endpoint::start(|_| Reply::Never);
        plugin(&never.url("/v4"), &directory()).timeout(Duration::from_millis(20)).detect().unwrap_err();
        let failing = Endpoint::start(|_| Reply::Status(500));
        plugin(&failing.url("/v4"), &directory()).detect().unwrap_err();
        assert_eq!(failing.requests().len(), 6);
    }

    #[test]
    fn only_http_is_supported_and_version_4_takes_precedence() {
        for (variables, want) in [
            (&[][..], "ECS_CONTAINER_METADATA_URI_V4 is not set"),
            (
                &[("_V4", "https://a"), ("", "http://b")],
                r#"the metadata address "https://a" does not start with http://"#,
            ),
            (&[("", "ftp://b")], r#"the metadata address "ftp://b" does not start with http://"#),
        ] {
            let lookup = |name: &str| {
                let version = name.strip_prefix("ECS_CONTAINER_METADATA_URI")?;
                variables.iter().find(|(key, _)| *key == version).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Ecs::from_lookup(lookup).detect().unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn a_log_group_requires_the_awslogs_driver_and_its_arn_that_of_a_container() {
        let metadata = |driver: &str, options: &str, arn: &str| -> Value {
            serde_json::from_str(&format!(
                r#"{{"LogDriver": "{driver}", "LogOptions": {options}, "ContainerARN": "{arn}"}}"#
            ))
            .unwrap()
        };
        let group = r#"{"awslogs-group": "g"}"#;
        for (metadata, want) in [
            (
                metadata("awslogs", group, "arn:aws-cn:ecs:cn-north-1:1:container/x"),
                Some((Some("arn:aws-cn:logs:cn-north-1:1:log-group:g"), "g")),
            ),
            (metadata("awslogs", group, "nonsense"), Some((None, "g"))),
            (metadata("awslogs", group, "arn:aws:ec2:eu-west-1:1:x"), Some((None, "g"))),
            (metadata("awslogs", "{}", ARN), None),
            (metadata("awslogs", "[]", ARN), None),
            (metadata("awsfirelens", group, ARN), None),
        ] {
            let found = log_group(&metadata).map(|group| (log_group_arn(&metadata, group), group));
            assert_eq!(found.as_ref().map(|(arn, group)| (arn.as_deref(), *group)), want, "{metadata}");
        }
    }
}
