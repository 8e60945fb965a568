//! One invocation: its facade, and the handler's subsegment if there is one.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use xray_core::{Entity, Exception, Facade, Subsegment};

use crate::error::Failure;

/// What is recorded of an invocation.
#[derive(Debug)]
pub(crate) struct Invocation {
    facade: Facade,
    /// Until the handler has ended.
    subsegment: Option<Subsegment>,
}

impl Invocation {
    pub(crate) fn begin(facade: Facade, subsegment: Option<&str>) -> Invocation {
        let subsegment = subsegment.map(|name| facade.subsegment(name));
        Invocation { facade, subsegment }
    }

    /// The context of the handler.
    pub(crate) fn entity(&self) -> Entity {
        self.subsegment.as_ref().map_or_else(|| self.facade.entity(), Subsegment::entity)
    }

    /// Runs code of the handler. A panic is recorded, and goes on: the runtime answers with it.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // Caught only to learn the panic's message.
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
            if let Some(subsegment) = self.subsegment.take() {
                subsegment.fault(Exception::from_panic(&*payload));
                subsegment.close();
            }
            self.announce();
            resume_unwind(payload)
        })
    }

    /// The handler has returned: after the answer the process may freeze, so what is open must show now.
    pub(crate) fn end<T, E: fmt::Debug + 'static>(&mut self, result: &Result<T, E>) {
        if let Some(subsegment) = self.subsegment.take() {
            if let Err(error) = result {
                subsegment.fault(Exception::from(Failure(error)));
            }
            subsegment.close();
        }
        self.announce();
    }

    /// Shows what is open, such as the work of tasks that the handler has spawned.
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
