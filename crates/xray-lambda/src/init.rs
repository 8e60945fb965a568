//! The init phase: the work of a function before its first invocation.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use xray_core::{Entity, Facade};

/// Records the work of the init phase, which has no trace yet, and adds it to the first invocation.
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
/// Each step becomes a subsegment of the first invocation, with the times at which it ran. If that invocation is not
/// sampled, the steps are discarded. Steps have only a name and times: recording inside them has no effect, and calls
/// made there send no header. With provisioned concurrency or SnapStart the steps are discarded too, since no
/// invocation waits for the init phase and hours may pass in between.
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
    /// Creates an `Init` without steps.
    pub fn new() -> Init {
        Init::default()
    }

    /// Runs `work` as a step with this name, and returns its result.
    pub fn capture<T>(&self, name: impl Into<String>, work: impl FnOnce() -> T) -> T {
        let start = SystemTime::now();
        let result = {
            let _nothing_is_recorded = Entity::default().enter();
            work()
        };
        self.keep(name.into(), start);
        result
    }

    /// Awaits `work` as a step with this name, and returns its output.
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

    /// Takes the steps, and records them below `facade` if `wanted` and sampled.
    pub(crate) fn replay(&self, facade: &Facade, wanted: bool) {
        let steps = std::mem::take(&mut *self.steps.lock().unwrap_or_else(PoisonError::into_inner));
        for Step { name, start, end } in steps.into_iter().filter(|_| wanted && facade.is_sampled()) {
            let subsegment = facade.entity().subsegment_at(name, start);
            subsegment.metadata_in("xray", "phase", "init").close_at(end);
        }
    }
}
