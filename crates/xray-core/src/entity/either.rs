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

    /// Returns a child of this entity that another SDK records and sends: a span of OpenTelemetry, say.
    ///
    /// Subsegments below it have it as their parent, and each is sent on its own when it closes. The span itself cannot be
    /// changed here: the SDK ignores writes and logs a warning. The trace's sampling decision applies.
    ///
    /// The crate `xray-opentelemetry` calls this. For a span in a trace that this process does not have, use
    /// [`Recorder::external_segment`](crate::Recorder::external_segment).
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let id_of_span = xray_core::EntityId::from_u64(7).unwrap();
    /// let segment = recorder.begin("shop");
    /// let span = segment.entity().external_subsegment(id_of_span);
    /// span.subsegment("pack").close();
    /// # segment.close();
    /// let documents = traces.take();
    /// assert!(documents.documents()[0].json().contains(r#""parent_id":"0000000000000007""#));
    /// ```
    #[must_use]
    pub fn external_subsegment(&self, id: crate::EntityId) -> Entity {
        Entity::new(self.handle.external_child(id))
    }
}
