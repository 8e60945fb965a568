//! Work S: a request and three spans below it, each with two fields, entered once.

use tracing::info_span;

/// Makes the spans of one request, which the current subscriber records.
pub fn request() {
    info_span!("request", otel.kind = "server", order_id = 7, tier = "gold").in_scope(|| {
        for _ in 0..3 {
            info_span!("step", item = 3, state = "reserved").in_scope(|| {});
        }
    });
}
