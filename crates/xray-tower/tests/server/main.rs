//! The layer in servers, as their clients and the X-Ray daemon see it.

// The permission in clippy.toml does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod behaviours;
mod hyper;
#[cfg(unix)]
mod tonic;

use xray_behaviours::documents::{Documents, recorder_with};
use xray_core::Naming;
use xray_core::sampling::Always;
use xray_tower::XRayLayer;

/// Creates a layer with this name that records everything.
fn layer(naming: impl Into<Naming>) -> (XRayLayer, Documents) {
    let (recorder, documents) = recorder_with(Always);
    (XRayLayer::new(naming).recorder(recorder), documents)
}
