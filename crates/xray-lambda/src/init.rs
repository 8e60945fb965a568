//! The init phase: what a function does before its first invocation.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use xray_core::{Entity, Facade};

/// Keeps what a function did before its first invocation, which has no trace yet, until that invocation.
///
/// ```no_run
/// use lambda_runtime::{Error, LambdaEvent, service_fn};
/// use xray_lambda::{Init, XRayLambda};
///
/// # fn read_table() -> Vec<u32> { vec![] }
/// # async fn connect() -> Result<(), Error> { Ok(()) }
/// # async fn serve() -> Result<(), Error> {
/// let init = Init::new();
/// let table = init.capture("read table", read_table);
/// init.capture_async("connect", connect()).await?;
///
/// let handler = service_fn(|event: LambdaEvent<usize>| std::future::ready(Ok::<_, Error>(table.get(event.payload))));
/// lambda_runtime::run(XRayLambda::wrap(handler).init(init)).await
/// # }
/// ```
///
/// Each step becomes a subsegment of the first invocation, at the time when it ran; if that invocation is not
/// sampled, none does. Steps have a name and times; what is recorded inside them does nothing, and calls made there
/// carry no header. With provisioned concurrency and SnapStart, where no invocation waits for the init phase and
/// hours may lie between, nothing is kept.
#[derive(Debug, Default)]
pub struct Init {
    steps: Mutex<Vec<Step>>,
}

#[derive(Debug)]
struct Step {
    name: String,
    start: SystemTime,
    end: SystemTime,
}

impl Init {
    /// Nothing yet.
    pub fn new() -> Init {
        Init::default()
    }

    /// Runs `work` as a step of this name.
    pub fn capture<T>(&self, name: impl Into<String>, work: impl FnOnce() -> T) -> T {
        let start = SystemTime::now();
        let result = {
            let _nothing_is_recorded = Entity::default().enter();
            work()
        };
        self.keep(name.into(), start);
        result
    }

    /// Awaits `work` as a step of this name.
    pub async fn capture_async<F: Future>(&self, name: impl Into<String>, work: F) -> F::Output {
        let start = SystemTime::now();
        let result = Entity::default().scope(work).await;
        self.keep(name.into(), start);
        result
    }

    fn keep(&self, name: String, start: SystemTime) {
        let step = Step { name, start, end: SystemTime::now() };
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    /// Records the steps below the first facade that comes, if `wanted`, and forgets them.
    pub(crate) fn replay(&self, facade: &Facade, wanted: bool) {
        let steps = std::mem::take(&mut *self.steps.lock().unwrap_or_else(PoisonError::into_inner));
        for Step { name, start, end } in steps.into_iter().filter(|_| wanted && facade.is_sampled()) {
            let subsegment = facade.entity().subsegment_at(name, start);
            subsegment.metadata_in("xray", "phase", "init").close_at(end);
        }
    }
}
