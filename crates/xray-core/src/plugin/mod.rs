//! What the service runs on: an EC2 instance, a container of ECS or EKS, an Elastic Beanstalk environment.
//!
//! A [`Plugin`] that is given to [`RecorderBuilder::plugin`](crate::RecorderBuilder::plugin) is asked once, on a
//! short-lived thread that starts when the recorder is built. Nothing waits for the answer. Segments that close
//! before it lack the host's block, all later ones have it, and X-Ray shows the service by its `origin`. What
//! fails is told in the log at the level `debug`, and leaves no trace in documents.
//!
//! ```no_run
//! use xray_core::Recorder;
//! use xray_core::plugin::{Ec2, Ecs};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recorder = Recorder::builder().plugin(Ec2::new()).plugin(Ecs::new()).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! | plugin | origin | block of `aws` |
//! |---|---|---|
//! | [`Ec2`] | `AWS::EC2::Instance` | `ec2`: `instance_id`, `availability_zone`, `instance_size`, `ami_id` |
//! | [`Ecs`] | `AWS::ECS::Container` | `ecs`: `container`, `container_id`, `container_arn` |
//! | [`Eks`] | `AWS::EKS::Container` | `eks`: `cluster_name`, `pod`, `container_id` |
//! | [`ElasticBeanstalk`] | `AWS::ElasticBeanstalk::Environment` | `elastic_beanstalk`: `environment_name`, `version_label`, `deployment_id` |
//!
//! When several plugins deliver, all their blocks are written. The origin is that of the most specific one:
//! Elastic Beanstalk before EKS, ECS and EC2, in any order of configuration. A plugin of your own goes before
//! all of these, and the last one of several before the others.
//!
//! Log groups that plugins find are written as `aws.cloudwatch_logs`, by which the console leads from a trace to
//! its logs. The variable `AWS_LOG_GROUP` names one in their place, also without any plugin.
//!
//! On Lambda, and when the recorder is disabled, no plugin is asked. A process that is forked before the answer
//! never gets it.

mod beanstalk;
mod ec2;
mod ecs;
mod eks;
#[cfg(test)]
#[path = "../../tests/support/endpoint.rs"]
mod endpoint;
mod files;
mod host;
mod metadata;

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::thread;

pub use self::beanstalk::ElasticBeanstalk;
pub use self::ec2::Ec2;
pub use self::ecs::Ecs;
pub use self::eks::Eks;
pub use self::host::Detected;
use self::host::MAX_BLOCKS;
pub(crate) use self::host::{Environment, write_log_groups};
use crate::diagnostics::{Cause, Diagnostics};
use crate::user_code;

/// Finds out what the process runs on.
///
/// Implement it for a platform that the SDK does not know:
///
/// ```
/// use std::error::Error;
/// use xray_core::plugin::{Detected, Plugin};
///
/// struct Rack;
///
/// impl Plugin for Rack {
///     fn name(&self) -> &str {
///         "Rack"
///     }
///
///     fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>> {
///         let unit = std::fs::read_to_string("/etc/rack-unit")?;
///         Ok(Detected::new("Example::Rack", "rack").field("unit", unit.trim()))
///     }
/// }
/// # assert!(Rack.detect().is_err());
/// ```
pub trait Plugin: Send + Sync + 'static {
    /// What the log calls it.
    fn name(&self) -> &str;

    /// Looks around, once, on a thread of the SDK's own. It may block for some seconds, but all that the plugins
    /// find is written only when the last of them has answered.
    ///
    /// # Errors
    /// When the process does not run there, or that cannot be found out. The text goes to the log.
    fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>>;
}

/// Asks the plugins on a thread of their own, and puts what they find into `found`. `log_groups` tells whether
/// those of the plugins are wanted.
pub(crate) fn start(
    plugins: Vec<Box<dyn Plugin>>,
    found: Arc<OnceLock<Environment>>,
    log_groups: bool,
    diagnostics: Diagnostics,
) {
    let told = diagnostics.clone();
    let work = move || {
        let mut hosts = Vec::<Detected>::new();
        for plugin in &plugins {
            let taken = hosts.iter().map(Detected::size).sum();
            hosts.extend(ask(&**plugin, MAX_BLOCKS.saturating_sub(taken), &diagnostics));
        }
        if hosts.is_empty() {
            return diagnostics.debug(Cause::Plugin, format_args!("detection has ended: nothing was found"));
        }
        let environment = Environment::of(&hosts, log_groups);
        let origin = environment.origin().unwrap_or("none").to_owned();
        // Nobody else sets it.
        let _ = found.set(environment);
        diagnostics.debug(Cause::Plugin, format_args!("detection has ended: the origin is {origin}"));
    };
    if let Err(error) = thread::Builder::new().name("xray-plugins".to_owned()).spawn(work) {
        told.debug(Cause::Plugin, format_args!("no thread to ask the plugins: {error}"));
    }
}

/// Asks a plugin, whose answer has room for this many bytes. It may be the user's code: it must not cost the answers
/// of the others.
fn ask(plugin: &dyn Plugin, room: usize, diagnostics: &Diagnostics) -> Option<Detected> {
    let asked = user_code::call(|| {
        let host = plugin.detect().and_then(|host| host.check(room).map(|()| host).map_err(Into::into));
        match &host {
            Ok(host) => diagnostics.debug(Cause::Plugin, format_args!("{} found {host:?}", plugin.name())),
            Err(error) => diagnostics.debug(Cause::Plugin, format_args!("{} found nothing: {error}", plugin.name())),
        }
        host.ok()
    });
    asked.unwrap_or_else(|| {
        diagnostics.debug(Cause::Plugin, format_args!("a plugin panicked: it found nothing"));
        None
    })
}
