//! One invocation: its facade segment, and the subsegment of the handler if configured.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use xray_core::{Entity, Exception, Facade, Subsegment};

use crate::error::HandlerError;

/// The recording of an invocation.
#[derive(Debug)]
pub(crate) struct Invocation {
    facade: Facade,
    /// Taken when the handler ends.
    subsegment: Option<Subsegment>,
}

impl Invocation {
    pub(crate) fn begin(facade: Facade, subsegment: Option<&str>) -> Invocation {
        let subsegment = subsegment.map(|name| facade.subsegment(name));
        Invocation { facade, subsegment }
    }

    /// Returns the entity that is current in the handler.
    pub(crate) fn entity(&self) -> Entity {
        self.subsegment.as_ref().map_or_else(|| self.facade.entity(), Subsegment::entity)
    }

    /// Runs code of the handler. Records a panic and resumes it, so that the runtime reports it to Lambda.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // Only `catch_unwind` gives access to the message.
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
            if let Some(subsegment) = self.subsegment.take() {
                subsegment.fault(Exception::from_panic(&*payload));
                subsegment.close();
            }
            self.announce();
            resume_unwind(payload)
        })
    }

    /// Records the result of the handler. Announces what is still open, since Lambda may freeze the process after the
    /// response.
    pub(crate) fn end<T, E: fmt::Debug + 'static>(&mut self, result: &Result<T, E>) {
        if let Some(subsegment) = self.subsegment.take() {
            if let Err(error) = result {
                subsegment.fault(Exception::from(HandlerError(error)));
            }
            subsegment.close();
        }
        self.announce();
    }

    /// Sends open subsegments in progress, such as those of tasks that the handler spawned.
    pub(crate) fn announce(&self) {
        self.facade.announce_open();
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        if let Some(subsegment) = &self.subsegment {
            subsegment.metadata_in("xray", "cancelled", &true).close();
        }
    }
}
