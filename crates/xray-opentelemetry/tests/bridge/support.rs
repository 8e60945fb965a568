//! A provider that keeps its spans in memory, and the tree of spans and documents together.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracer, SdkTracerProvider, SpanData};
use xray_core::Recorder;
use xray_core::serde_json::{Value, from_str};
use xray_core::testing::Traces;
use xray_opentelemetry::{XRayTracer, XRayTracerProvider};

/// OpenTelemetry's side of a test.
pub(crate) struct Otel {
    pub(crate) provider: SdkTracerProvider,
    exporter: InMemorySpanExporter,
}

impl Otel {
    pub(crate) fn new() -> Otel {
        Otel::with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
    }

    pub(crate) fn with_sampler(sampler: Sampler) -> Otel {
        let exporter = InMemorySpanExporter::default();
        let builder = SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(exporter.clone());
        Otel { provider: builder.build(), exporter }
    }

    pub(crate) fn tracer(&self) -> XRayTracer<SdkTracer> {
        XRayTracerProvider::new(self.provider.clone()).tracer("library")
    }

    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }

    /// Returns everything that both sides have sent as one tree.
    #[track_caller]
    pub(crate) fn tree(&self, traces: &Traces) -> String {
        let documents = traces.take();
        let documents: Vec<Value> =
            documents.documents().iter().map(|document| from_str(document.json()).unwrap()).collect();
        tree(&documents, &self.spans())
    }
}

struct Node {
    id: String,
    parent: Option<String>,
    name: String,
}

/// Returns documents and spans as one tree, in the order of their names. Spans are in brackets.
///
/// # Panics
///
/// They belong to several traces, or two have one id.
#[track_caller]
pub(crate) fn tree(documents: &[Value], spans: &[SpanData]) -> String {
    let mut nodes = Vec::new();
    let mut traces = BTreeSet::new();
    for document in documents {
        traces.insert(document["trace_id"].as_str().unwrap()[2..].replace('-', ""));
        add(document, document["parent_id"].as_str(), &mut nodes);
    }
    for span in spans {
        traces.insert(span.span_context.trace_id().to_string());
        nodes.push(Node {
            id: span.span_context.span_id().to_string(),
            parent: (span.parent_span_id != SpanId::INVALID).then(|| span.parent_span_id.to_string()),
            name: format!("[{}]", span.name),
        });
    }
    assert!(traces.len() <= 1, "several traces: {traces:?}");
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    let ids: BTreeSet<&str> = nodes.iter().map(|node| &*node.id).collect();
    assert_eq!(ids.len(), nodes.len(), "an id occurs twice");
    let mut out = String::new();
    for root in nodes.iter().filter(|node| node.parent.as_deref().is_none_or(|parent| !ids.contains(parent))) {
        write(root, &nodes, 0, &mut out);
    }
    out
}

fn add(document: &Value, parent: Option<&str>, nodes: &mut Vec<Node>) {
    let id = document["id"].as_str().unwrap();
    let name = document["name"].as_str().unwrap().to_owned();
    nodes.push(Node { id: id.to_owned(), parent: parent.map(str::to_owned), name });
    for subsegment in document["subsegments"].as_array().into_iter().flatten() {
        add(subsegment, Some(id), nodes);
    }
}

fn write(node: &Node, nodes: &[Node], depth: usize, out: &mut String) {
    *out += &format!("{:1$}{2}\n", "", depth * 2, node.name);
    for child in nodes.iter().filter(|child| child.parent.as_deref() == Some(&node.id)) {
        write(child, nodes, depth + 1, out);
    }
}

/// Installs a recorder in memory for the process. Only one test uses it at a time.
pub(crate) fn installed() -> (MutexGuard<'static, Traces>, &'static Recorder) {
    static TRACES: Mutex<Option<&'static Mutex<Traces>>> = Mutex::new(None);
    let traces = *TRACES.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| {
        let (recorder, traces) = Recorder::in_memory();
        assert!(recorder.install().is_active());
        Box::leak(Box::new(Mutex::new(traces)))
    });
    let traces = traces.lock().unwrap_or_else(PoisonError::into_inner);
    traces.take();
    (traces, Recorder::global())
}
