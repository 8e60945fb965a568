//! The clock, the daemon's address and the log that a recorder lends to its sampler.

use std::fmt;

use crate::diagnostics::{Cause, Diagnostics, Level};
use crate::emit::DaemonAddress;
use crate::time::Clock;

/// What a recorder lends to its [`Sampler`](super::Sampler): passed to [`Sampler::start`](super::Sampler::start) when
/// the recorder is built. Clones are cheap and refer to the same recorder's log.
///
/// ```
/// use std::sync::OnceLock;
/// use xray_core::Recorder;
/// use xray_core::diagnostics::Level;
/// use xray_core::sampling::{Decision, Sampler, SamplerContext, SamplingRequest};
///
/// /// Records every request in even seconds, for a demonstration.
/// #[derive(Default)]
/// struct EvenSeconds(OnceLock<SamplerContext>);
///
/// impl Sampler for EvenSeconds {
///     fn start(&self, context: &SamplerContext) {
///         context.report(Level::Info, "even_seconds", format_args!("only even seconds are recorded"));
///         let _ = self.0.set(context.clone());
///     }
///
///     fn decide(&self, _: &SamplingRequest<'_>) -> Decision {
///         self.0.get().is_some_and(|context| context.clock().now().as_secs() % 2 == 0).into()
///     }
/// }
///
/// let recorder = Recorder::builder().sampling(EvenSeconds::default()).build();
/// # assert!(recorder.is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct SamplerContext {
    pub(crate) clock: Clock,
    pub(crate) daemon: Option<DaemonAddress>,
    pub(crate) diagnostics: Diagnostics,
}

impl SamplerContext {
    /// The recorder's clock. Reading the time from it keeps tests with a manual clock deterministic.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The X-Ray daemon's address, from `AWS_XRAY_DAEMON_ADDRESS` or the builder. `None` if no service should be
    /// queried: the recorder is disabled, or the process runs on Lambda, which decides itself for each invocation.
    pub fn daemon(&self) -> Option<&DaemonAddress> {
        self.daemon.as_ref()
    }

    /// Reports a message about the sampler itself through the recorder's log: see
    /// [`diagnostics`](crate::diagnostics). `cause` is a word in snake case and becomes [`Cause::Custom`]. Messages
    /// are rate-limited to one per cause every 10 seconds, except at `Debug`.
    pub fn report(&self, level: Level, cause: &'static str, message: fmt::Arguments<'_>) {
        self.diagnostics.report(level, Cause::Custom(cause), message);
    }
}
