//! The methods of entities that make them current.

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

            /// Runs `future` with this as the current entity, at each poll. The entity stays open afterwards.
            ///
            $(#[doc = $keeps])+
            pub fn scope<F: Future>(&self, future: F) -> InEntity<F> {
                InEntity::new(self.handle().clone(), self.share(), future)
            }
        }
    };
}

entering_methods!(
    Segment,
    /// What it returns is a handle as well, and keeps the segment open: it may be made from a temporary, and the
    /// segment closes when that is dropped.
);

entering_methods!(
    Subsegment,
    /// What it returns is a handle as well, and keeps the subsegment open: it may be made from a temporary, and the
    /// subsegment closes when that is dropped.
);

entering_methods!(
    Entity,
    /// It does not keep the entity open.
);

impl Facade {
    /// Makes it current until the guard is dropped: see [`Entity::enter`].
    pub fn enter(&self) -> Entered {
        self.entity().enter()
    }

    /// Runs `future` with it as the current entity: see [`Entity::scope`].
    pub fn scope<F: Future>(&self, future: F) -> InEntity<F> {
        self.entity().scope(future)
    }
}
