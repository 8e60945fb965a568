//! `otel-axum <variant> <port> <sink>`: the server with the layers of OpenTelemetry for axum: `tower-http-trace-<percentage>`,
//! `otel-axum-<percentage>`.

use std::net::SocketAddr;

use axum::extract::Request;
use opentelemetry::trace::TracerProvider;
use opentelemetry_aws::trace::XrayIdGenerator;
use opentelemetry_aws::xray_exporter::{XrayExporter, daemon_client::XrayDaemonClient};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use servers::{app, arguments, serve};
use tracing_subscriber::layer::SubscriberExt;

fn install(sink: SocketAddr, rate: f64) {
    let provider = SdkTracerProvider::builder()
        .with_id_generator(XrayIdGenerator::default())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(rate))))
        .with_resource(Resource::builder().with_service_name("orders").build())
        .with_batch_exporter(XrayExporter::new(XrayDaemonClient::new(sink).unwrap()))
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("axum"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    opentelemetry::global::set_tracer_provider(provider);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = arguments();
    install(arguments.sink, arguments.rate);
    let app = match &arguments.variant[..] {
        // The default span has no kind, and the exporter drops spans without a kind that have no parent.
        "tower-http-trace" => {
            app().layer(tower_http::trace::TraceLayer::new_for_http().make_span_with(|r: &Request| {
                tracing::info_span!(
                    "request",
                    otel.kind = "server",
                    http.request.method = %r.method(),
                    url.path = r.uri().path(),
                )
            }))
        }
        "otel-axum" => app().layer(axum_tracing_opentelemetry::middleware::OtelAxumLayer::default()),
        variant => panic!("no variant {variant}"),
    };
    serve(app, arguments.port).await;
}
