//! The layer of `xray-tower` with the options of an application.

use xray_behaviours::server::App;
use xray_tower::XRayLayer;

pub(crate) fn layer(app: &App) -> XRayLayer {
    let [ignore, attributes, end] = [app.clone(), app.clone(), app.clone()];
    xray_behaviours::options!(XRayLayer::new(app.naming.clone()), app)
        .ignore(move |request| ignore.ignores(request.uri().path()))
        .sampling_attributes(move |request| {
            attributes.attributes(request.headers().get("x-tier").map(|tier| tier.as_bytes()))
        })
        .end_at_headers(move |request, response| {
            let content_type = response.headers().get("content-type").map(|kind| kind.as_bytes());
            end.ends_at_headers(request.uri().path(), content_type)
        })
}
