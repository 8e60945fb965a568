//! Containers of ECS tasks.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;

use super::files::Files;
use super::metadata::{Client, TIMEOUT};
use super::{Detected, Plugin};
use crate::env;

pub(super) const ORIGIN: &str = "AWS::ECS::Container";

/// Describes a container of ECS, on EC2 or Fargate: its host name, its id, its ARN, and the log group that the
/// driver `awslogs` writes to.
///
/// ECS tells each container where its metadata are: `ECS_CONTAINER_METADATA_URI_V4`, or on old platforms
/// `ECS_CONTAINER_METADATA_URI`, whose version 3 knows neither ARN nor logs. Both are read when the plugin is
/// made; without them the process does not run on ECS.
///
/// ```
/// use xray_core::plugin::Ecs;
///
/// let plugin = Ecs::new();
/// ```
#[derive(Debug)]
#[must_use = "a plugin is asked when it is given to a recorder's builder"]
pub struct Ecs {
    /// What the environment says, which wins.
    endpoint: Option<String>,
    own_endpoint: Option<String>,
    client: Client,
    files: Files,
}

impl Ecs {
    /// Reads the environment.
    pub fn new() -> Ecs {
        Ecs::from_lookup(env::variable)
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Ecs {
        let endpoint = lookup("ECS_CONTAINER_METADATA_URI_V4").or_else(|| lookup("ECS_CONTAINER_METADATA_URI"));
        Ecs { endpoint, own_endpoint: None, client: Client::new(TIMEOUT), files: Files::new(&lookup) }
    }

    /// Where the container's metadata are when the environment does not tell. It is plain HTTP in any case.
    pub fn endpoint(mut self, url: impl Into<String>) -> Ecs {
        self.own_endpoint = Some(url.into());
        self
    }

    /// How long to wait for the answer (default: a second).
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
            return Err(format!("the metadata's address {endpoint:?} does not begin with http://").into());
        }
        let metadata: Value = serde_json::from_str(&self.client.get(endpoint, None)?)?;
        if !metadata.is_object() {
            return Err("the metadata are no object".into());
        }
        let arn = metadata["ContainerARN"].as_str();
        // On Fargate the control group has another name; the metadata call the id so for Docker's sake.
        let id = self.files.container_id().or_else(|| metadata["DockerId"].as_str().map(str::to_owned));
        let host = Detected::new(ORIGIN, "ecs")
            .field("container", &self.files.host_name())
            .field("container_id", &id)
            .field("container_arn", &arn);
        Ok(match log_group(&metadata) {
            Some(group) => host.log_group(group, log_group_arn(&metadata, group)),
            None => host,
        })
    }
}

/// Drivers other than `awslogs` do not write to CloudWatch, or do not tell where.
fn log_group(metadata: &Value) -> Option<&str> {
    let driver = metadata["LogDriver"].as_str()?;
    metadata["LogOptions"]["awslogs-group"].as_str().filter(|_| driver == "awslogs")
}

/// In the partition and account of the container, `arn:aws:ecs:eu-west-1:123456789012:container/…`.
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
    use super::super::endpoint::{Answer, Directory, Endpoint};
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
    fn version_4_tells_id_arn_and_log_group() {
        let endpoint = Endpoint::start(|_| Answer::ok(VERSION_4));
        let host = Detected::new(ORIGIN, "ecs").field("container", "169254170002-2495160603");
        let logs = "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/shop".to_owned();
        let group = "9:memory:/ecs/t/".to_owned() + &"0123456789abcdef".repeat(4);
        for (directory, id) in [
            (directory(), "cd189a93-2495160603"),
            (directory().with("proc/self/cgroup", &group), &group[group.len() - 64..]),
        ] {
            let want = host.clone().field("container_id", id).field("container_arn", ARN);
            let want = want.log_group("/ecs/shop", Some(logs.clone()));
            assert_eq!(plugin(&endpoint.url("/v4/cd18"), &directory).detect().unwrap(), want);
        }
        assert!(endpoint.requests().iter().all(|head| head.starts_with("GET /v4/cd18 HTTP/1.1\nhost: ")));
    }

    #[test]
    fn version_3_tells_the_id_alone() {
        let endpoint = Endpoint::start(|_| Answer::ok(VERSION_3));
        let want = Detected::new(ORIGIN, "ecs")
            .field("container", "169254170002-2495160603")
            .field("container_id", "43481a6c");
        assert_eq!(plugin(&endpoint.url("/v3/4348"), &directory()).detect().unwrap(), want);
    }

    #[test]
    fn an_absent_a_slow_and_a_wrong_endpoint_deliver_nothing() {
        for wrong in ["", "no json", "[]", "7", "null", r#"{"DockerId": "43481a6c""#] {
            let endpoint = Endpoint::start(move |_| Answer::ok(wrong));
            plugin(&endpoint.url("/v4"), &directory()).detect().expect_err(wrong);
        }
        plugin(&Endpoint::absent(), &directory()).detect().unwrap_err();
        let never = Endpoint::start(|_| Answer::Never);
        plugin(&never.url("/v4"), &directory()).timeout(Duration::from_millis(20)).detect().unwrap_err();
        let failing = Endpoint::start(|_| Answer::Status(500));
        plugin(&failing.url("/v4"), &directory()).detect().unwrap_err();
        assert_eq!(failing.requests().len(), 6);
    }

    #[test]
    fn only_http_is_asked_and_version_4_goes_first() {
        for (variables, want) in [
            (&[][..], "ECS_CONTAINER_METADATA_URI_V4 is not set"),
            (
                &[("_V4", "https://a"), ("", "http://b")],
                r#"the metadata's address "https://a" does not begin with http://"#,
            ),
            (&[("", "ftp://b")], r#"the metadata's address "ftp://b" does not begin with http://"#),
        ] {
            let lookup = |name: &str| {
                let version = name.strip_prefix("ECS_CONTAINER_METADATA_URI")?;
                variables.iter().find(|(key, _)| *key == version).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Ecs::from_lookup(lookup).detect().unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn a_log_group_needs_the_driver_and_its_arn_a_container_of_ecs() {
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
