//! The `http` block, with the current and the former attribute names: older collectors read only the former.

use crate::attributes::Attributes;
use crate::document::Http;

pub(super) fn add(http: &Http<'_>, attributes: &mut Attributes) {
    let (request, response) = (&http.request, &http.response);
    for (new, old, value) in [
        ("http.request.method", "http.method", &request.method),
        ("url.full", "http.url", &request.url),
        ("user_agent.original", "http.user_agent", &request.user_agent),
        ("client.address", "http.client_ip", &request.client_ip),
    ] {
        attributes.add(new, value.as_ref());
        attributes.add(old, value.as_ref());
    }
    attributes.add("aws.xray.x_forwarded_for", request.x_forwarded_for);
    attributes.add("http.response.status_code", response.status);
    attributes.add("http.status_code", response.status);
    let length = response.content_length.filter(|length| *length >= 0);
    attributes.add("http.response.body.size", length);
    attributes.add("http.response_content_length", length);
}
