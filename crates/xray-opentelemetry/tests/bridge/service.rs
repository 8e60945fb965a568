//! Services that use both, over real connections.

use std::collections::HashMap;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{FutureExt as _, SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, global};
use opentelemetry_aws::trace::XrayPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer};
use reqwest_middleware::ClientWithMiddleware;
use tokio::net::TcpListener;
use xray_axum::XRayLayer;
use xray_behaviours::documents::{Documents, recorder_with};
use xray_core::sampling::Always;
use xray_core::serde_json::{Value, from_str, json};
use xray_core::{FutureExt as _, Recorder, capture, current_segment};
use xray_opentelemetry::{XRayTracer, XRayTracerProvider, in_span};
use xray_reqwest::XRayMiddleware;

use crate::support::{Otel, installed, tree};

/// A library with a span of its own, which finds the tracer of the process.
async fn library() {
    let cx = Context::current_with_span(global::tracer("library").start("parse"));
    async { tokio::task::yield_now().await }.with_context(cx).await;
}

/// A client that OpenTelemetry instruments.
async fn otel_get(url: String, propagator: &(dyn TextMapPropagator + Send + Sync)) -> String {
    let tracer = global::tracer("client");
    let span = tracer.span_builder("GET").with_kind(SpanKind::Client).start(&tracer);
    let cx = Context::current_with_span(span);
    let mut headers = HashMap::new();
    propagator.inject_context(&cx, &mut headers);
    let mut request = reqwest::Client::new().get(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    async { request.send().await.unwrap().text().await.unwrap() }.with_context(cx).await
}

/// A server layer of OpenTelemetry's kind: it continues the caller's trace with a span for the request.
async fn otel_server(State(tracer): State<XRayTracer<SdkTracer>>, request: Request, next: Next) -> Response {
    let headers: HashMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let caller = TraceContextPropagator::new().extract(&headers);
    let builder = tracer.span_builder(format!("GET {}", request.uri().path())).with_kind(SpanKind::Server);
    let span = builder.start_with_context(&tracer, &caller);
    let cx = caller.with_span(span);
    next.run(request).with_context(cx).await
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn received(documents: &mut Documents, count: usize) -> Vec<Value> {
    let mut received = Vec::new();
    for _ in 0..count {
        received.push(documents.raw().await);
    }
    documents.assert_empty();
    received
}

#[derive(Clone)]
struct Services {
    inventory: SocketAddr,
    billing: SocketAddr,
    payment: SocketAddr,
    client: ClientWithMiddleware,
}

/// Calls a library, then two services by a client of this SDK, then one by clients of OpenTelemetry.
async fn order(State(services): State<Services>) -> String {
    library().in_subsegment("load order").await;
    let call = async |name: &'static str, url: String| {
        let call = async { services.client.get(url).send().await.unwrap().text().await.unwrap() };
        call.in_subsegment(name).await
    };
    let stock = call("call inventory", format!("http://{}/stock", services.inventory)).await;
    let paid = call("call payment", format!("http://{}/pay", services.payment)).await;
    let url = format!("http://{}/bill", services.billing);
    let bill = otel_get(url.clone(), &TraceContextPropagator::new()).in_subsegment("by traceparent").await;
    let again = otel_get(url, &XrayPropagator::new()).in_subsegment("by X-Amzn-Trace-Id").await;
    [stock, paid, bill, again].concat()
}

async fn stock() -> &'static str {
    in_span(Context::current(), async { async { "3 " }.in_subsegment("count").await }).await
}

fn layer(name: &str, recorder: &Recorder) -> XRayLayer {
    XRayLayer::new(name).recorder(recorder.clone())
}

/// The whole trace: OpenTelemetry's client calls `shop`, which calls services with this SDK, with both and with OpenTelemetry
/// alone.
#[tokio::test(flavor = "multi_thread")]
async fn services_with_one_or_both_are_one_tree() {
    let otel = Otel::new();
    global::set_tracer_provider(XRayTracerProvider::new(otel.provider.clone()));
    let (recorder, mut documents) = recorder_with(Always);
    let payment =
        Router::new().route("/pay", get(async || "paid ")).layer(from_fn_with_state(otel.tracer(), otel_server));
    let inventory = Router::new()
        .route("/stock", get(stock))
        .layer(from_fn_with_state(otel.tracer(), otel_server))
        .layer(layer("inventory", &recorder));
    let billing = Router::new().route("/bill", get(async || "4 ")).layer(layer("billing", &recorder));
    let services = Services {
        inventory: serve(inventory).await,
        billing: serve(billing).await,
        payment: serve(payment).await,
        client: reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(XRayMiddleware::new()).build(),
    };
    let shop = Router::new().route("/order", get(order)).with_state(services).layer(layer("shop", &recorder));
    let url = format!("http://{}/order", serve(shop).await);
    assert_eq!(otel_get(url, &TraceContextPropagator::new()).await, "3 paid 4 4 ");

    // The segments of four requests, and the subsegment of a span.
    let documents = received(&mut documents, 5).await;
    let expected = "\
[GET]
  shop
    by X-Amzn-Trace-Id
      [GET]
        billing
    by traceparent
      [GET]
        billing
    call inventory
      127.0.0.1
        inventory
          [GET /stock]
            count
    call payment
      127.0.0.1
        [GET /pay]
    load order
      [parse]
";
    assert_eq!(tree(&documents, &otel.spans()), expected);
}

/// Serves requests below the spans of OpenTelemetry's layer. Returns the response to a request with this header.
fn respond_below(otel: &Otel, traceparent: &str) -> String {
    let app = Router::new()
        .route(
            "/order",
            get(async || capture("a", |_| current_segment().annotate("tier", "gold").is_sampled().to_string())),
        )
        .layer(XRayLayer::new("shop"))
        .layer(from_fn(|request: Request, next: Next| in_span(Context::current(), next.run(request))))
        .layer(from_fn_with_state(otel.tracer(), otel_server));
    // When the runtime ends, everything is closed.
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let url = format!("http://{}/order", serve(app).await);
        let request = reqwest::Client::new().get(url).header("traceparent", traceparent);
        request.send().await.unwrap().text().await.unwrap()
    })
}

#[test]
fn a_request_is_below_the_span_of_a_layer_of_opentelemetry_outside() {
    let (traces, _) = installed();
    let otel = Otel::new();
    assert_eq!(respond_below(&otel, "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"), "true");
    let documents = traces.take();
    let documents: Vec<Value> =
        documents.documents().iter().map(|document| from_str(document.json()).unwrap()).collect();
    assert_eq!(tree(&documents, &otel.spans()), "[GET /order]\n  shop\n    a\n");
    let request = documents.iter().find(|document| document["name"] == "shop").unwrap();
    assert_eq!((&request["type"], &request["annotations"]["tier"]), (&json!("subsegment"), &json!("gold")));
    assert_eq!(request["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
}

#[test]
fn a_request_below_a_span_that_is_not_sampled_is_not_recorded() {
    let (traces, _) = installed();
    let unsampled = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00";
    assert_eq!(respond_below(&Otel::new(), unsampled), "false");
    // The caller has not decided, and the span's sampler does. That of X-Ray would record the request.
    assert_eq!(respond_below(&Otel::with_sampler(Sampler::AlwaysOff), "none"), "false");
    assert!(traces.take().is_empty());
}
