//! Where the pattern of a matched route is recorded.

use crate::entity::Segment;

/// Where a server adapter puts the pattern of the route that matched, such as `/orders/{id}`.
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

    /// Records the pattern.
    pub fn record(&self, pattern: &str, segment: &Segment) {
        match self.place {
            Place::Annotation => segment.annotate(&self.key, pattern),
            Place::Metadata => segment.metadata(&self.key, pattern),
        };
    }
}
