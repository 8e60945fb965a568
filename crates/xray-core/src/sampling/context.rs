//! What a recorder lends to its sampler when it is built.

use std::fmt;

use crate::diagnostics::{Cause, Diagnostics, Level};
use crate::emit::DaemonAddress;
use crate::time::Clock;

/// What a recorder lends to its [`Sampler`](super::Sampler) when it is built.
#[derive(Clone, Debug)]
pub struct SamplerContext {
    pub(crate) clock: Clock,
    pub(crate) daemon: Option<DaemonAddress>,
    pub(crate) diagnostics: Diagnostics,
}

impl SamplerContext {
    /// Where the recorder takes the time from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where the X-Ray daemon answers, the environment considered. `None` where nobody should be asked: the
    /// recorder is disabled, or this is Lambda, where the decision comes with each invocation.
    pub fn daemon(&self) -> Option<&DaemonAddress> {
        self.daemon.as_ref()
    }

    /// Reports something about the sampler itself, as the recorder would, with a word in snake case for
    /// [`Cause::Custom`]: see [`diagnostics`](crate::diagnostics). Messages of one cause are limited to one every
    /// 10 seconds, except at `Debug`.
    pub fn report(&self, level: Level, cause: &'static str, message: fmt::Arguments<'_>) {
        self.diagnostics.report(level, Cause::Custom(cause), message);
    }
}
