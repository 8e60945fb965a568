//! OpenTelemetry with the X-Ray exporter of opentelemetry-aws, by its own API and through `tracing`. Processors, limits and
//! queues have their defaults.

use std::collections::HashMap;
use std::hint::black_box;

use harness::{Env, Harness, Request, Work, doc};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_aws::trace::{XrayIdGenerator, XrayPropagator};
use opentelemetry_aws::xray_exporter::{SegmentTranslator, XrayExporter, daemon_client::XrayDaemonClient};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Copy, PartialEq)]
enum Export {
    Simple,
    Batch,
    BatchNested,
}

fn provider(env: &Env, export: Export, sampler: Sampler) -> SdkTracerProvider {
    let client = XrayDaemonClient::new(env.sink).unwrap();
    let mut translator = SegmentTranslator::new()
        .with_indexed_attrs(["tenant".into(), "items".into()])
        .with_metadata_attr("debug".into());
    if export == Export::BatchNested {
        translator = translator.always_nest_subsegments();
    }
    let exporter = XrayExporter::new(client).with_translator(translator);
    let b = SdkTracerProvider::builder()
        .with_id_generator(XrayIdGenerator::default())
        .with_sampler(sampler)
        .with_resource(Resource::builder().with_service_name(doc::SEGMENT).build());
    match export {
        Export::Simple => b.with_simple_exporter(exporter),
        _ => b.with_batch_exporter(exporter),
    }
    .build()
}

fn server_attributes() -> Vec<KeyValue> {
    vec![
        KeyValue::new("http.request.method", doc::METHOD),
        KeyValue::new("url.full", doc::URL),
        KeyValue::new("user_agent.original", doc::USER_AGENT),
        KeyValue::new("client.address", doc::CLIENT_IP),
    ]
}

struct Otel {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Otel {
    fn new(env: &Env, export: Export, sampler: Sampler) -> Otel {
        let provider = provider(env, export, sampler);
        let tracer = provider.tracer("bench");
        Otel { provider, tracer }
    }
}

impl Request for Otel {
    fn request(&self) {
        let t = &self.tracer;
        let root = t.span_builder(doc::SEGMENT).with_kind(SpanKind::Server).with_attributes(server_attributes());
        let root = Context::new().with_span(root.start_with_context(t, &Context::new()));
        let guard = root.clone().attach();
        root.span().set_attribute(KeyValue::new("tenant", doc::TENANT));
        root.span().set_attribute(KeyValue::new("items", doc::ITEMS));
        root.span().set_attribute(KeyValue::new("debug", "{\"plan\":\"pro\",\"retries\":1}"));
        {
            let outer = Context::current_with_span(t.start(doc::OUTER));
            let _outer = outer.clone().attach();
            t.start(doc::INNER).end();
            let mut remote = t
                .span_builder(doc::REMOTE)
                .with_kind(SpanKind::Client)
                .with_attributes([
                    KeyValue::new("http.request.method", doc::REMOTE_METHOD),
                    KeyValue::new("url.full", doc::REMOTE_URL),
                ])
                .start(t);
            remote.set_attribute(KeyValue::new("http.response.status_code", doc::STATUS as i64));
            remote.set_attribute(KeyValue::new("http.response.body.size", doc::REMOTE_LENGTH as i64));
            remote.end();
            outer.span().end();
        }
        root.span().set_attribute(KeyValue::new("http.response.status_code", doc::STATUS as i64));
        root.span().set_attribute(KeyValue::new("http.response.body.size", doc::LENGTH as i64));
        root.span().end();
        drop(guard);
    }

    fn flush(&self) {
        let _ = self.provider.force_flush();
    }
}

impl Work for Otel {
    fn op(&mut self, _: u64) {
        self.request();
    }

    fn flush(&mut self) {
        Request::flush(self);
    }
}

struct Big(Otel);
impl Work for Big {
    fn op(&mut self, _: u64) {
        let t = &self.0.tracer;
        let root = t.span_builder(doc::SEGMENT).with_kind(SpanKind::Server).start_with_context(t, &Context::new());
        let root = Context::new().with_span(root);
        let _guard = root.clone().attach();
        for _ in 0..doc::BIG {
            t.start("step").end();
        }
        root.span().end();
    }
    fn flush(&mut self) {
        Request::flush(&self.0);
    }
}

struct Tracing(SdkTracerProvider);
impl Tracing {
    fn new(env: &Env, export: Export, sampler: Sampler) -> Tracing {
        let p = provider(env, export, sampler);
        let layer = tracing_opentelemetry::layer().with_tracer(p.tracer("bench"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        Tracing(p)
    }
}
impl Work for Tracing {
    fn op(&mut self, _: u64) {
        use tracing::field::Empty;
        let root = tracing::info_span!(
            "request",
            otel.name = doc::SEGMENT,
            otel.kind = "server",
            http.request.method = doc::METHOD,
            url.full = doc::URL,
            user_agent.original = doc::USER_AGENT,
            client.address = doc::CLIENT_IP,
            tenant = Empty,
            items = Empty,
            debug = Empty,
            http.response.status_code = Empty,
            http.response.body.size = Empty,
        );
        let _in = root.enter();
        root.record("tenant", doc::TENANT);
        root.record("items", doc::ITEMS);
        root.record("debug", "{\"plan\":\"pro\",\"retries\":1}");
        {
            let _outer = tracing::info_span!("checkout").entered();
            tracing::info_span!("price").in_scope(|| ());
            let remote = tracing::info_span!(
                "inventory.example.com",
                otel.kind = "client",
                http.request.method = doc::REMOTE_METHOD,
                url.full = doc::REMOTE_URL,
                http.response.status_code = Empty,
                http.response.body.size = Empty,
            )
            .entered();
            remote.record("http.response.status_code", doc::STATUS as i64);
            remote.record("http.response.body.size", doc::REMOTE_LENGTH as i64);
        }
        root.record("http.response.status_code", doc::STATUS as i64);
        root.record("http.response.body.size", doc::LENGTH as i64);
    }
    fn flush(&mut self) {
        let _ = self.0.force_flush();
    }
}

/// Work S.
struct Spans(SdkTracerProvider);
impl Work for Spans {
    fn op(&mut self, _: u64) {
        spans::request();
    }
    fn flush(&mut self) {
        let _ = self.0.force_flush();
    }
}

fn never() -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.0)))
}
fn always() -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::AlwaysOn))
}

fn main() {
    let h = Harness::new();
    for (name, e) in [
        ("otel-xray-simple", Export::Simple),
        ("otel-xray-batch", Export::Batch),
        ("otel-xray-batch-nested", Export::BatchNested),
    ] {
        h.case(name, "A", |env| Otel::new(env, e, always()));
        h.case(name, "C", |env| Big(Otel::new(env, e, always())));
    }
    h.case("otel-xray-batch", "B", |env| Otel::new(env, Export::Batch, never()));
    h.case("tracing-otel-xray-batch", "A", |env| Tracing::new(env, Export::Batch, always()));
    h.case("tracing-otel-xray-batch", "B", |env| Tracing::new(env, Export::Batch, never()));
    h.case("tracing-otel-xray-batch", "S", |env| Spans(Tracing::new(env, Export::Batch, always()).0));
    h.case("tracing-otel-xray-batch", "S0", |env| Spans(Tracing::new(env, Export::Batch, never()).0));
    h.threads("otel-xray-batch", |env| Otel::new(env, Export::Batch, always()));
    h.case("otel-xray-propagator", "D2", |_| {
        let p = XrayPropagator::default();
        let carriers = [doc::TRACE_HEADER, doc::LONG_TRACE_HEADER]
            .map(|v| HashMap::from([("x-amzn-trace-id".to_string(), v.to_string())]));
        move |i| _ = black_box(p.extract_with_context(&Context::new(), &carriers[(i % 2) as usize]))
    });
}
