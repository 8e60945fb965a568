//! Support for axum: its extensions, its error type, and the extractor.

use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, OriginalUri};
use http::request::Parts;
use http::{Extensions, Uri};
use xray_core::adapter::MatchedRoute;

use super::layer::XRayLayer;
use super::segment::XRaySegment;

/// Returns the URI before nested routers removed their prefix.
pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<OriginalUri>().map(|original| &original.0)
}

/// Returns the address that `into_make_service_with_connect_info` provides.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// Returns the pattern of the route, which is set in layers inside the router.
pub(crate) fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// Returns the error inside any number of `axum::Error` wrappers, which add no information.
pub(crate) fn unwrapped<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    match error.source() {
        Some(inner) if error.is::<axum::Error>() => unwrapped(inner),
        _ => error,
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl XRayLayer {
    /// Records the pattern of the route that matched, such as `/orders/{id}`.
    ///
    /// Default: it is not recorded. A second call replaces the place.
    ///
    /// The pattern is known in layers added by [`Router::layer`](axum::Router::layer) and `route_layer`, but not in a layer
    /// around the whole router. Requests to a fallback have no pattern.
    ///
    /// ```
    /// # use xray_tower::{MatchedRoute, XRayLayer};
    /// let layer = XRayLayer::new("shop").matched_route(MatchedRoute::annotation("route"));
    /// ```
    pub fn matched_route(self, matched_route: MatchedRoute) -> XRayLayer {
        self.configure(|config| config.set_matched_route(matched_route))
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S: Sync> FromRequestParts<S> for XRaySegment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<XRaySegment, Infallible> {
        // Looks in the extensions first, since a middleware may have moved the request to a task without the context.
        let segment = parts.extensions.get::<XRaySegment>().cloned();
        Ok(segment.unwrap_or_else(|| XRaySegment(xray_core::current_segment())))
    }
}
