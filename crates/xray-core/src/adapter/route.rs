//! Where the pattern of a matched route is recorded.

use crate::entity::Segment;

/// Where a server adapter records the pattern of the route that matched, such as `/orders/{id}`.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// use xray_core::adapter::MatchedRoute;
///
/// let segment = recorder.begin("shop");
/// MatchedRoute::annotation("route").record("/orders/{id}", &segment);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop [route=/orders/{id}]\n");
/// ```
#[derive(Clone, Debug)]
pub struct MatchedRoute {
    place: Place,
    key: Box<str>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Annotation,
    Metadata,
}

impl MatchedRoute {
    /// Records an annotation, by which traces can be searched: `annotation.route = "/orders/{id}"`.
    pub fn annotation(key: impl Into<String>) -> MatchedRoute {
        MatchedRoute { place: Place::Annotation, key: key.into().into() }
    }

    /// Records metadata in the namespace `default`, which X-Ray shows but does not index.
    pub fn metadata(key: impl Into<String>) -> MatchedRoute {
        MatchedRoute { place: Place::Metadata, key: key.into().into() }
    }

    /// Records the pattern on `segment`.
    pub fn record(&self, pattern: &str, segment: &Segment) {
        match self.place {
            Place::Annotation => segment.annotate(&self.key, pattern),
            Place::Metadata => segment.metadata(&self.key, pattern),
        };
    }
}
