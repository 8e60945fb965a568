//! A segment or a subsegment, such as the current one.

use super::handle::Handle;
use super::methods::shared_methods;
use super::owner::Share;

/// A segment or a subsegment, as [`current`](crate::current) returns it.
///
/// It does not keep the entity open, and it cannot close it: that is for the code that began the entity. The default
/// value belongs to no trace, and records nothing.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// use xray_core::Entity;
///
/// /// Records on whatever entity the caller has.
/// fn note_page(entity: &Entity, page: u32) {
///     entity.annotate("page", page);
/// }
///
/// let segment = recorder.begin("shop");
/// note_page(&segment.entity(), 3);
/// note_page(&Entity::default(), 3); // records nothing
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop [page=3]\n");
/// ```
#[derive(Clone, Default)]
pub struct Entity {
    handle: Handle,
}

shared_methods!(Entity);

impl Entity {
    pub(crate) fn new(handle: Handle) -> Entity {
        Entity { handle }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn share(&self) -> Option<Share> {
        None
    }

    /// Returns the segment that this entity belongs to: see [`current_segment`](crate::current_segment).
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// let segment = recorder.begin("shop");
    /// let step = segment.subsegment("pack");
    /// assert_eq!(step.entity().segment().id(), segment.id());
    /// ```
    pub fn segment(&self) -> super::Segment {
        super::Segment::borrowed(self.handle.root())
    }
}
