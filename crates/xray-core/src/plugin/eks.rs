//! Containers of EKS clusters.

use std::error::Error;
use std::fmt;

use super::files::Files;
use super::{Detected, Plugin};
use crate::env;

pub(super) const ORIGIN: &str = "AWS::EKS::Container";

/// Kubernetes mounts it into the containers of a pod.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Describes a container of EKS: cluster, pod, container id, and the log group of Container Insights.
///
/// The process is taken to run there when the token of a Kubernetes service account is mounted. Give the plugin
/// to services on EKS only: another cluster looks the same.
///
/// | field | where it comes from |
/// |---|---|
/// | `cluster_name` | the variable `CLUSTER_NAME`, [`cluster`](Eks::cluster), [`cluster_from`](Eks::cluster_from): the first that tells |
/// | `pod` | [`pod`](Eks::pod), else the host's name, which is the pod's unless it shares the network of its node |
/// | `container_id` | the control group; absent where that does not name it, as mostly with version 2 of control groups |
///
/// With a cluster's name, `/aws/containerinsights/<cluster>/application` is the log group.
///
/// # Why the cluster must be told
///
/// Other X-Ray SDKs read the cluster's name from the config map `cluster-info` in the namespace
/// `amazon-cloudwatch`, by HTTPS from the API of Kubernetes. This crate has no TLS, and must not bring one along
/// for a single name. Put the name into the pod's environment:
///
/// ```yaml
/// env:
///   - name: CLUSTER_NAME
///     valueFrom: { configMapKeyRef: { name: cluster-info, key: cluster.name } }
/// ```
///
/// (the config map is looked for in the pod's own namespace), or let the HTTPS client that the application has
/// read it, in the closure of [`cluster_from`](Eks::cluster_from).
///
/// ```
/// use xray_core::plugin::Eks;
///
/// let plugin = Eks::new().cluster("production");
/// ```
#[must_use = "a plugin is asked when it is given to a recorder's builder"]
pub struct Eks {
    /// What the environment says, which wins.
    cluster: Option<String>,
    own_cluster: Option<String>,
    ask_cluster: Option<Box<dyn Fn() -> Option<String> + Send + Sync>>,
    pod: Option<String>,
    files: Files,
}

impl Eks {
    /// Reads the environment.
    pub fn new() -> Eks {
        Eks::from_lookup(env::variable)
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Eks {
        let (cluster, files) = (lookup("CLUSTER_NAME"), Files::new(&lookup));
        Eks { cluster, own_cluster: None, ask_cluster: None, pod: None, files }
    }

    /// The cluster's name. The variable `CLUSTER_NAME` overrides it.
    pub fn cluster(mut self, name: impl Into<String>) -> Eks {
        self.own_cluster = Some(name.into());
        self
    }

    /// Who knows the cluster's name, if neither `CLUSTER_NAME` nor [`cluster`](Eks::cluster) tells. It is asked
    /// once, on the thread of the plugins, where it may block for some seconds; `None` leaves the name out.
    ///
    /// ```
    /// use xray_core::plugin::Eks;
    ///
    /// let plugin = Eks::new().cluster_from(|| std::fs::read_to_string("/etc/podinfo/cluster").ok());
    /// ```
    pub fn cluster_from(mut self, ask: impl Fn() -> Option<String> + Send + Sync + 'static) -> Eks {
        self.ask_cluster = Some(Box::new(ask));
        self
    }

    /// The pod's name, where the host's name is another.
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
        let cluster = cluster.or_else(|| self.ask_cluster.as_ref().and_then(|ask| ask()));
        let cluster = cluster.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let host = Detected::new(ORIGIN, "eks")
            .field("cluster_name", &cluster)
            .field("pod", &self.pod.clone().or_else(|| self.files.host_name()))
            .field("container_id", &self.files.container_id());
        Ok(match cluster {
            Some(cluster) => host.log_group(format!("/aws/containerinsights/{cluster}/application"), None),
            None => host,
        })
    }
}

impl fmt::Debug for Eks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eks")
            .field("cluster", &self.cluster.as_ref().or(self.own_cluster.as_ref()))
            .field("ask_cluster", &self.ask_cluster.is_some())
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

    fn host(cluster: Option<&str>, pod: &str) -> Detected {
        let host = Detected::new(ORIGIN, "eks").field("cluster_name", &cluster).field("pod", pod);
        let host = host.field("container_id", &"ab".repeat(32));
        cluster
            .into_iter()
            .fold(host, |host, cluster| host.log_group(format!("/aws/containerinsights/{cluster}/application"), None))
    }

    #[test]
    fn the_cluster_is_told_by_the_environment_the_code_or_a_closure() {
        let directory = directory();
        let asked = |cluster: Option<&str>| plugin(cluster, &directory).cluster_from(|| Some(" asked\n".to_owned()));
        for (plugin, want) in [
            (asked(Some("environment")).cluster("code"), Some("environment")),
            (asked(None).cluster("code"), Some("code")),
            (asked(None), Some("asked")),
            (plugin(None, &directory).cluster_from(|| None), None),
            (plugin(None, &directory).cluster_from(|| Some(String::new())), None),
            (plugin(None, &directory), None),
        ] {
            assert_eq!(plugin.detect().unwrap(), host(want, "shop-7d4b9"), "{plugin:?}");
        }
    }

    #[test]
    fn the_pod_can_be_told() {
        let directory = directory();
        assert_eq!(plugin(None, &directory).pod("shop-1").detect().unwrap(), host(None, "shop-1"));
    }

    #[test]
    fn without_a_token_it_is_no_cluster() {
        let directory = Directory::new().with("proc/sys/kernel/hostname", "laptop");
        let plugin = plugin(Some("c"), &directory).cluster_from(|| unreachable!("not asked"));
        assert_eq!(plugin.detect().unwrap_err().to_string(), format!("{TOKEN} does not exist"));
    }
}
