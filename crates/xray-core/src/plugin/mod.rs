//! Plugins that detect the platform: an EC2 instance, an ECS or EKS container, an Elastic Beanstalk environment.
//!
//! Add a [`Plugin`] by [`RecorderBuilder::plugin`](crate::RecorderBuilder::plugin). Building the recorder starts a
//! short-lived thread that runs each plugin once. Nothing waits for it: segments that close earlier lack what the
//! plugins find, and all later ones have it. X-Ray uses the detected `origin` to show the type of the service. Failures
//! are logged at `debug` and leave the documents unchanged.
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
//! If several plugins succeed, all their blocks are written. The origin is that of the most specific one: Elastic
//! Beanstalk, then EKS, ECS and EC2, whatever the order of configuration. A plugin of your own takes precedence over
//! all of these; of several, the last one does.
//!
//! Log groups that plugins find are written as `aws.cloudwatch_logs`; the console links a trace to its logs by them. The
//! environment variable `AWS_LOG_GROUP` replaces them by one group, and works without any plugin too.
//!
//! On Lambda, and in a disabled recorder, no plugin runs. A process that is forked before the plugins have finished never
//! receives their results.

mod beanstalk;
mod detected;
mod ec2;
mod ecs;
mod eks;
#[cfg(test)]
#[path = "../../tests/support/endpoint.rs"]
mod endpoint;
mod files;
mod metadata;
mod origin;

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::thread;

pub use self::beanstalk::ElasticBeanstalk;
pub use self::detected::Detected;
use self::detected::MAX_BLOCKS;
pub(crate) use self::detected::{Platform, write_log_groups};
pub use self::ec2::Ec2;
pub use self::ecs::Ecs;
pub use self::eks::Eks;
use crate::diagnostics::{Cause, Diagnostics};
use crate::user_code;

/// Detects the platform that the process runs on.
///
/// Implement it for a platform that the SDK does not know. [`Detected`] limits what a plugin may add to segments. A panic
/// in a plugin is caught and logged, and counts as finding nothing. At the level `debug`, the SDK logs what each plugin has
/// detected.
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
///
/// A plugin may also add only log groups, without an origin:
///
/// ```
/// use std::error::Error;
/// use xray_core::Recorder;
/// use xray_core::plugin::{Detected, Plugin};
///
/// struct Logs;
///
/// impl Plugin for Logs {
///     fn name(&self) -> &str {
///         "Logs"
///     }
///
///     fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>> {
///         Ok(Detected::default().log_group("/services/shop", None))
///     }
/// }
///
/// let recorder = Recorder::builder().plugin(Logs).build();
/// # assert!(recorder.is_ok());
/// ```
pub trait Plugin: Send + Sync + 'static {
    /// Returns the plugin's name in log lines.
    fn name(&self) -> &str;

    /// Detects the platform. Called once, on a thread of the SDK.
    ///
    /// It may block for some seconds. Results are written to segments only after the last plugin has returned, so it
    /// should have a timeout.
    ///
    /// # Errors
    ///
    /// The process does not run on this platform, or this cannot be determined. The text is logged at `debug`.
    fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>>;
}

/// Runs the plugins on their own thread, and stores the result in `found`. Without `log_groups`, the log groups of the
/// plugins are left out.
pub(crate) fn start(
    plugins: Vec<Box<dyn Plugin>>,
    found: Arc<OnceLock<Platform>>,
    log_groups: bool,
    diagnostics: Diagnostics,
) {
    let log = diagnostics.clone();
    let work = move || {
        let mut results = Vec::<Detected>::new();
        for plugin in &plugins {
            let used = results.iter().map(Detected::size).sum();
            results.extend(run(&**plugin, MAX_BLOCKS.saturating_sub(used), &diagnostics));
        }
        if results.is_empty() {
            return diagnostics.debug(Cause::Plugin, format_args!("plugins have finished: nothing was detected"));
        }
        let platform = Platform::of(&results, log_groups);
        let origin = platform.origin().unwrap_or("none").to_owned();
        // This thread is the only one that sets it.
        let _ = found.set(platform);
        diagnostics.debug(Cause::Plugin, format_args!("plugins have finished: the origin is {origin}"));
    };
    if let Err(error) = thread::Builder::new().name("xray-plugins".to_owned()).spawn(work) {
        log.debug(Cause::Plugin, format_args!("cannot start the thread that runs the plugins: {error}"));
    }
}

/// Runs a plugin, whose result may have up to `room` bytes. A plugin may be user code, so a panic must not lose the
/// results of the others.
fn run(plugin: &dyn Plugin, room: usize, diagnostics: &Diagnostics) -> Option<Detected> {
    let result = user_code::call(|| {
        let detected = plugin.detect().and_then(|detected| match detected.check(room) {
            Ok(()) => Ok(detected),
            Err(error) => Err(error.into()),
        });
        let name = plugin.name();
        match &detected {
            Ok(detected) => diagnostics.debug(Cause::Plugin, format_args!("plugin {name} detected {detected:?}")),
            Err(error) => diagnostics.debug(Cause::Plugin, format_args!("plugin {name} detected nothing: {error}")),
        }
        detected.ok()
    });
    result.unwrap_or_else(|| {
        diagnostics.debug(Cause::Plugin, format_args!("a plugin panicked: it counts as detecting nothing"));
        None
    })
}
