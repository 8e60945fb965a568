//! The extractor of the segment.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use xray_core::Segment;

/// The segment of the request: an extractor, which the middleware also inserts into the extensions of recorded requests.
///
/// ```
/// use actix_web::web::Path;
/// use xray_actix::XRaySegment;
///
/// async fn order(segment: XRaySegment, id: Path<u64>) -> String {
///     segment.annotate("order_id", *id);
///     let _step = segment.subsegment("by hand");
///     format!("order {id}")
/// }
/// ```
///
/// It does not keep the segment open, and never rejects a request. For a request that is not recorded, it is a segment that
/// does nothing. Without the middleware it is the same, and the [context-missing strategy](xray_core::ContextMissing)
/// applies.
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

impl FromRequest for XRaySegment {
    type Error = Infallible;
    type Future = Ready<Result<XRaySegment, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let segment = request.extensions().get::<XRaySegment>().cloned();
        ready(Ok(segment.unwrap_or_else(|| XRaySegment(xray_core::current_segment()))))
    }
}
