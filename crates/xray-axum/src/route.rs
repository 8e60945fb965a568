//! The matched route, recorded on request.

use axum::extract::MatchedPath;
use http::Extensions;
use xray_core::Segment;

/// Where [`XRayLayer::matched_route`](crate::XRayLayer::matched_route) puts the pattern of the route.
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
    /// An annotation, by which traces are searched: `annotation.route = "/orders/{id}"`.
    pub fn annotation(key: impl Into<String>) -> MatchedRoute {
        MatchedRoute { place: Place::Annotation, key: key.into().into() }
    }

    /// Metadata in the namespace `default`, which is shown only.
    pub fn metadata(key: impl Into<String>) -> MatchedRoute {
        MatchedRoute { place: Place::Metadata, key: key.into().into() }
    }

    pub(crate) fn record(&self, extensions: &Extensions, segment: &Segment) {
        let Some(path) = extensions.get::<MatchedPath>() else { return };
        match self.place {
            Place::Annotation => segment.annotate(&self.key, path.as_str()),
            Place::Metadata => segment.metadata(&self.key, path.as_str()),
        };
    }
}
