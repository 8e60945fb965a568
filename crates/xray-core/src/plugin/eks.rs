//! Containers of EKS clusters.

use std::error::Error;
use std::fmt;

use super::files::Files;
use super::{Detected, Plugin, origin};
use crate::env;

/// The file that Kubernetes mounts into the containers of a pod.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Detects an EKS container: cluster, pod, container id, and the log group of Container Insights.
///
/// The plugin assumes EKS if the token of a Kubernetes service account is mounted. Other Kubernetes clusters look the
/// same, so add it only to services that run on EKS.
///
/// | field | source |
/// |---|---|
/// | `cluster_name` | the first of: the variable `CLUSTER_NAME`, [`cluster`](Eks::cluster), [`cluster_from`](Eks::cluster_from) |
/// | `pod` | [`pod`](Eks::pod), otherwise the host name, which is the pod's name unless the pod uses its node's network |
/// | `container_id` | the control group, if that contains the id; version 2 of control groups usually does not |
///
/// If the cluster's name is known, the log group is `/aws/containerinsights/<cluster>/application`. Segments then have the
/// origin `AWS::EKS::Container` and these blocks:
///
/// ```json
/// {"aws": {
///     "eks": {"cluster_name": "production", "pod": "shop-7d4b9c6f5-x2x7k", "container_id": "0123…cdef"},
///     "cloudwatch_logs": [{"log_group": "/aws/containerinsights/production/application"}]
/// }}
/// ```
///
/// # Setting the name of the cluster
///
/// Other X-Ray SDKs read the cluster's name from the config map `cluster-info` in the namespace
/// `amazon-cloudwatch`, by HTTPS from the Kubernetes API. This crate has no TLS stack and does not add one for a single
/// name. Put the name into the pod's environment instead:
///
/// ```yaml
/// env:
///   - name: CLUSTER_NAME
///     valueFrom: { configMapKeyRef: { name: cluster-info, key: cluster.name } }
/// ```
///
/// Kubernetes looks for the config map in the pod's own namespace. Alternatively, read the name with the application's
/// own HTTPS client in the closure of [`cluster_from`](Eks::cluster_from).
///
/// ```
/// use xray_core::plugin::Eks;
///
/// let plugin = Eks::new().cluster("production");
/// ```
#[must_use = "a plugin runs only if it is added to a recorder's builder"]
pub struct Eks {
    /// The name from the environment, which takes precedence.
    cluster: Option<String>,
    own_cluster: Option<String>,
    cluster_from: Option<Box<dyn Fn() -> Option<String> + Send + Sync>>,
    pod: Option<String>,
    files: Files,
}

impl Eks {
    /// Creates the plugin, and reads `CLUSTER_NAME`.
    pub fn new() -> Eks {
        Eks::from_lookup(env::variable)
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Eks {
        let (cluster, files) = (lookup("CLUSTER_NAME"), Files::new(&lookup));
        Eks { cluster, own_cluster: None, cluster_from: None, pod: None, files }
    }

    /// Sets the cluster's name (default: none). The variable `CLUSTER_NAME` overrides it. Calling this again replaces
    /// the name.
    pub fn cluster(mut self, name: impl Into<String>) -> Eks {
        self.own_cluster = Some(name.into());
        self
    }

    /// Sets a function that returns the cluster's name. It is used if neither `CLUSTER_NAME` nor
    /// [`cluster`](Eks::cluster) is set, and called once, on the thread of the plugins, where it may block for some
    /// seconds. `None` leaves the name out. Calling this again replaces the function.
    ///
    /// ```
    /// use xray_core::plugin::Eks;
    ///
    /// let plugin = Eks::new().cluster_from(|| std::fs::read_to_string("/etc/podinfo/cluster").ok());
    /// ```
    pub fn cluster_from(mut self, read: impl Fn() -> Option<String> + Send + Sync + 'static) -> Eks {
        self.cluster_from = Some(Box::new(read));
        self
    }

    /// Sets the pod's name (default: the host name). Calling this again replaces the name.
    pub fn pod(mut self, name: impl Into<String>) -> Eks {
        self.pod = Some(name.into());
        self
    }
}

impl Default for Eks {
    fn default() -> Eks {
        Eks::new()
    }
}

impl Plugin for Eks {
    fn name(&self) -> &str {
        "Eks"
    }

    fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>> {
        if !self.files.exists(TOKEN) {
            return Err(format!("{TOKEN} does not exist").into());
        }
        let cluster = self.cluster.clone().or_else(|| self.own_cluster.clone());
        let cluster = cluster.or_else(|| self.cluster_from.as_ref().and_then(|read| read()));
        let cluster = cluster.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let container = Detected::new(origin::EKS, "eks")
            .field("cluster_name", &cluster)
            .field("pod", &self.pod.clone().or_else(|| self.files.host_name()))
            .field("container_id", &self.files.container_id());
        Ok(match cluster {
            Some(cluster) => container.log_group(format!("/aws/containerinsights/{cluster}/application"), None),
            None => container,
        })
    }
}

impl fmt::Debug for Eks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eks")
            .field("cluster", &self.cluster.as_ref().or(self.own_cluster.as_ref()))
            .field("cluster_from", &self.cluster_from.is_some())
            .field("pod", &self.pod)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Directory;
    use super::*;

    fn directory() -> Directory {
        Directory::new()
            .with(TOKEN.trim_start_matches('/'), "secret")
            .with("proc/sys/kernel/hostname", "shop-7d4b9\n")
            .with("proc/self/cgroup", &format!("1:cpu:/kubepods/pod1/{}", "ab".repeat(32)))
    }

    fn plugin(cluster: Option<&str>, directory: &Directory) -> Eks {
        let variable = |name: &str| cluster.filter(|_| name == "CLUSTER_NAME").map(str::to_owned);
        Eks { files: Files::below(directory.path()), ..Eks::from_lookup(variable) }
    }

    fn container(cluster: Option<&str>, pod: &str) -> Detected {
        let container = Detected::new(origin::EKS, "eks").field("cluster_name", &cluster).field("pod", pod);
        let container = container.field("container_id", &"ab".repeat(32));
        match cluster {
            Some(cluster) => container.log_group(format!("/aws/containerinsights/{cluster}/application"), None),
            None => container,
        }
    }

    #[test]
    fn the_cluster_comes_from_the_environment_the_code_or_a_closure() {
        let directory = directory();
        let reading = |cluster: Option<&str>| plugin(cluster, &directory).cluster_from(|| Some(" read\n".to_owned()));
        for (plugin, want) in [
            (reading(Some("environment")).cluster("code"), Some("environment")),
            (reading(None).cluster("code"), Some("code")),
            (reading(None), Some("read")),
            (plugin(None, &directory).cluster_from(|| None), None),
            (plugin(None, &directory).cluster_from(|| Some(String::new())), None),
            (plugin(None, &directory), None),
        ] {
            assert_eq!(plugin.detect().unwrap(), container(want, "shop-7d4b9"), "{plugin:?}");
        }
    }

    #[test]
    fn the_pod_can_be_set() {
        let directory = directory();
        assert_eq!(plugin(None, &directory).pod("shop-1").detect().unwrap(), container(None, "shop-1"));
    }

    #[test]
    fn without_a_token_nothing_is_detected() {
        let directory = Directory::new().with("proc/sys/kernel/hostname", "laptop");
        let plugin = plugin(Some("c"), &directory).cluster_from(|| unreachable!("not called"));
        assert_eq!(plugin.detect().unwrap_err().to_string(), format!("{TOKEN} does not exist"));
    }
}
