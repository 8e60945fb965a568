//! The segment of a request, in its extensions.

use std::ops::Deref;

use xray_core::Segment;

/// The segment of a request, which the layer inserts into the extensions of recorded requests. With the feature `axum`, it
/// is also an extractor.
///
/// ```
/// use http::Request;
/// use xray_tower::XRaySegment;
///
/// fn annotate<B>(request: &Request<B>) {
///     if let Some(segment) = request.extensions().get::<XRaySegment>() {
///         segment.annotate("order_id", 7);
///     }
/// }
/// ```
///
/// It does not keep the segment open. [`current_segment`](xray_core::current_segment) returns the same segment in code that
/// runs for the request.
///
/// # axum
///
/// ```
/// # #[cfg(feature = "axum")] mod example {
/// use axum::extract::Path;
/// use xray_tower::XRaySegment;
///
/// async fn order(segment: XRaySegment, Path(id): Path<u64>) -> String {
///     segment.annotate("order_id", id);
///     let _step = segment.subsegment("by hand");
///     format!("order {id}")
/// }
/// # fn app() -> axum::Router { axum::Router::new().route("/orders/{id}", axum::routing::get(order)) }
/// # }
/// ```
///
/// The extractor never rejects a request. For a request that is not recorded, it returns a segment that does nothing.
/// Without a layer it does the same, and the [context-missing strategy](xray_core::ContextMissing) applies.
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
