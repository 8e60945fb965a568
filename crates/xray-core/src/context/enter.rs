//! `enter` and `scope`: the methods of entities that make them current.

use super::{Entered, InEntity, guard};
use crate::entity::{Entity, Facade, Segment, Subsegment};

/// Defines `enter` and `scope`. The type has the methods `handle` and `share`.
macro_rules! entering_methods {
    ($name:ident, $(#[doc = $keeps:literal])+) => {
        impl $name {
            /// Makes this the current entity of the thread until the guard is dropped.
            ///
            $(#[doc = $keeps])+
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("nightly import");
            /// let guard = segment.enter();
            /// xray_core::annotate("files", 12); // on the segment
            /// drop(guard);
            /// assert!(xray_core::try_current().is_none());
            /// ```
            ///
            /// Entering another entity before the guard is dropped nests: the inner guard restores the outer entity.
            ///
            /// # In asynchronous code
            ///
            /// **Do not hold the guard across an `.await`.** At each `.await` the thread may run other tasks, which
            /// would then record into this entity, and the task itself may continue on another thread. The guard is
            /// not `Send`, so a spawned task that holds one does not compile; on a current-thread runtime it does:
            ///
            /// ```
            /// # async fn load(id: u32) -> u32 { id }
            /// # async fn wrong(segment: xray_core::Segment) {
            /// let _in = segment.enter();
            /// load(7).await; // wrong: other tasks run meanwhile, and find this entity
            /// # }
            /// ```
            ///
            /// [`scope`](Self::scope) sets the context for each poll of a future instead:
            ///
            /// ```
            /// # async fn load(id: u32) -> u32 { id }
            /// # async fn right(segment: xray_core::Segment) {
            /// segment.scope(load(7)).await;
            /// # }
            /// ```
            ///
            /// [`in_subsegment`](crate::FutureExt::in_subsegment) also begins and closes a subsegment.
            pub fn enter(&self) -> Entered {
                guard::enter(self.handle().clone(), self.share())
            }

            /// Makes this the current entity of a future, at each of its polls.
            ///
            $(#[doc = $keeps])+
            ///
            /// ```
            /// # async fn load(id: u32) -> u32 { xray_core::annotate("id", id); id }
            /// # async fn job(recorder: xray_core::Recorder) {
            /// let segment = recorder.begin("nightly import");
            /// let row = segment.scope(load(7)).await; // `load` records on the segment
            /// segment.annotate("row", row).close();
            /// # }
            /// ```
            ///
            /// The future may run on any executor, and move between threads. A scoped future can be spawned; tasks that
            /// it spawns itself need [`in_current`](crate::FutureExt::in_current):
            ///
            /// ```no_run
            /// # async fn import() {}
            /// # async fn job(recorder: xray_core::Recorder) {
            /// tokio::spawn(recorder.begin("nightly import").scope(import()));
            /// # }
            /// ```
            pub fn scope<F: Future>(&self, future: F) -> InEntity<F> {
                InEntity::new(self.handle().clone(), self.share(), future)
            }
        }
    };
}

entering_methods!(
    Segment,
    /// The result keeps the segment open, as a handle does: the segment may be a temporary, and closes when the result
    /// is dropped.
);

entering_methods!(
    Subsegment,
    /// The result keeps the subsegment open, as a handle does: the subsegment may be a temporary, and closes when the
    /// result is dropped.
);

entering_methods!(
    Entity,
    /// The result does not keep the entity open.
);

impl Facade {
    /// Makes the segment of the function current until the guard is dropped: see [`Entity::enter`].
    pub fn enter(&self) -> Entered {
        self.entity().enter()
    }

    /// Makes the segment of the function the current entity of a future: see [`Entity::scope`].
    pub fn scope<F: Future>(&self, future: F) -> InEntity<F> {
        self.entity().scope(future)
    }
}
