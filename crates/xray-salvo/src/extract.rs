//! The segment of a request, for its handlers.

use std::convert::Infallible;
use std::ops::Deref;

use salvo_core::extract::{Extractible, Metadata};
use salvo_core::{Depot, Request};
use xray_core::Segment;

/// The segment of the request: a parameter of handlers, which the hoop also injects into the depot of recorded requests.
///
/// ```
/// use salvo::prelude::*;
/// use xray_salvo::XRaySegment;
///
/// #[handler]
/// async fn order(segment: XRaySegment) -> &'static str {
///     segment.annotate("order_id", 7);
///     let _step = segment.subsegment("by hand");
///     "order 7"
/// }
/// ```
///
/// It does not keep the segment open, and never rejects a request. For a request that is not recorded, it is a segment that
/// does nothing. Without the hoop it is the same, and the [context-missing strategy](xray_core::ContextMissing) applies.
#[derive(Clone, Debug)]
pub struct XRaySegment(pub(crate) Segment);

impl XRaySegment {
    /// Returns the handle, which does not keep the segment open either.
    pub fn into_inner(self) -> Segment {
        self.0
    }
}

impl Deref for XRaySegment {
    type Target = Segment;

    fn deref(&self) -> &Segment {
        &self.0
    }
}

impl<'ex> Extractible<'ex> for XRaySegment {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("XRaySegment");
        &METADATA
    }

    #[allow(refining_impl_trait, reason = "it never fails")]
    async fn extract(_: &'ex mut Request, depot: &'ex mut Depot) -> Result<XRaySegment, Infallible> {
        let segment = depot.get_typed::<XRaySegment>().ok().cloned();
        Ok(segment.unwrap_or_else(|| XRaySegment(xray_core::current_segment())))
    }
}
