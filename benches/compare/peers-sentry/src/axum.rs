//! `sentry-axum sentry-<percentage> <port> <sink>`: the server with Sentry's layers.

use axum::extract::Request;
use sentry_tower::{NewSentryLayer, SentryHttpLayer};
use servers::{app, arguments, serve};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = arguments();
    let _guard = transport::init(arguments.sink, arguments.rate as f32);
    let layers = ServiceBuilder::new()
        .layer(NewSentryLayer::<Request>::new_from_top())
        .layer(SentryHttpLayer::new().enable_transaction());
    serve(app().layer(layers), arguments.port).await;
}
