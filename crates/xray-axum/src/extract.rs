//! The segment of a request, for those who would rather be handed it than ask the context.

use std::ops::Deref;

use xray_core::Segment;

/// The segment of the request: an axum extractor, and what the layer puts into the extensions of a request that
/// is recorded.
///
/// ```
/// # #[cfg(feature = "axum")] mod example {
/// use axum::extract::Path;
/// use xray_axum::XRaySegment;
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
/// It does not keep the segment open, and never rejects a request. Of a request that is not recorded it is a
/// segment that does nothing. Without a layer it is that too, and the
/// [context-missing strategy](xray_core::ContextMissing) has its say.
#[derive(Clone, Debug)]
pub struct XRaySegment(pub(crate) Segment);

impl XRaySegment {
    /// The segment itself; it does not keep the segment open either.
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

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S: Sync> axum::extract::FromRequestParts<S> for XRaySegment {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<XRaySegment, Self::Rejection> {
        // The extensions first: a middleware may have moved the request to another task, which has no context.
        let segment = parts.extensions.get::<XRaySegment>().cloned();
        Ok(segment.unwrap_or_else(|| XRaySegment(xray_core::current_segment())))
    }
}
