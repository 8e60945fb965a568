//! Traces that go elsewhere: by export and import, to a daemon, and to a receiver of OpenTelemetry's protocol.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::{self, Receiver as Inbox};
use std::thread;
use std::time::{Duration, Instant};

use prost::Message;
use serde_json::{Value, json};
use xray_local::Receiver;

use crate::corpus::{self, START, trace_id};
use crate::http::{call, exchange, post};
use crate::tree::datagram;

/// Returns what the query API says of the corpus.
fn answers(address: SocketAddr) -> Vec<Value> {
    let range = json!({ "StartTime": START, "EndTime": START + 300 });
    let ids: Vec<String> = (1..=100).map(trace_id).collect();
    [
        ("/TraceSummaries", range.clone()),
        ("/ServiceGraph", range.clone()),
        ("/TimeSeriesServiceStatistics", range),
        ("/Traces", json!({ "TraceIds": ids })),
        ("/TraceGraph", json!({ "TraceIds": ids })),
    ]
    .into_iter()
    .map(|(path, body)| call(address, path, &body))
    .collect()
}

fn wait_for(what: &str, mut is_done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_done() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_import_answers_as_the_source_does() {
    let (source, target) = (corpus::receiver(), Receiver::bind("127.0.0.1:0").unwrap());
    let request = "GET /api/export HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let (_, exported) = exchange(source.address(), request);
    let (status, _) = exchange(target.address(), post("/api/import", &exported));
    assert_eq!(status, 200);
    let want = answers(source.address());
    assert!(want[0]["TraceSummaries"].as_array().unwrap().len() >= 200);
    assert_eq!(answers(target.address()), want);
}

#[test]
fn an_import_may_have_sixteen_mebibytes() {
    let target = Receiver::bind("127.0.0.1:0").unwrap();
    let document = |number: u64| {
        let note = "n".repeat(40_000);
        format!(
            r#"{{"trace_id":"{}","id":"00000000000000aa","name":"a","start_time":1,"end_time":2,"user":"{note}"}}"#,
            trace_id(number)
        )
    };
    let all: String = (1..=400).map(document).collect();
    assert!(all.len() > 16 * 1_000_000 && all.len() < 16 << 20);
    let (status, body) = exchange(target.address(), post("/api/import", &all));
    assert_eq!((status, body.as_str()), (200, r#"{"accepted":400,"refused":0}"#));
    let (status, body) = exchange(target.address(), post("/api/import", &[all.as_str(), &all].concat()));
    assert_eq!((status, body.as_str()), (413, r#"{"message":"the body is larger than 16 MiB"}"#));
}

#[test]
fn a_daemon_receives_everything() {
    let target = Receiver::bind("127.0.0.1:0").unwrap();
    let source = Receiver::builder().forward(target.address()).bind("127.0.0.1:0").unwrap();
    send(&source, corpus::documents());
    let all = corpus::documents().len() as u64;
    wait_for("all documents arrive", || target.store().stats().datagrams == all);
    assert_eq!(answers(target.address()), answers(source.address()));
    let put = json!({ "TraceSegmentDocuments": [segment(1, ""), "{}"] });
    call(source.address(), "/TraceSegments", &put);
    wait_for("the put document arrives", || target.store().stats().datagrams == all + 1);
    drop(source);
    assert_eq!((target.store().stats().datagrams, target.store().stats().invalid_document), (all + 1, 0));
}

/// Sends documents by UDP, and waits until they are in the store.
fn send(receiver: &Receiver, documents: impl IntoIterator<Item = String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for document in documents {
        let before = receiver.store().stats().datagrams;
        socket.send_to(&datagram(&document), receiver.address()).unwrap();
        // One after the other, so that no buffer overflows.
        wait_for("a document arrives", || receiver.store().stats().datagrams > before);
    }
}

fn segment(id: u64, members: &str) -> String {
    format!(
        r#"{{"trace_id":"{}","id":"{id:016x}","name":"s{id}","start_time":1,"end_time":2{members}}}"#,
        trace_id(1_000)
    )
}

/// The messages of OTLP, as far as they are compared.
#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
}

/// Starts a receiver of OpenTelemetry's protocol that responds with this status. Returns its URL, and the spans it receives.
fn sink(status: u16) -> (String, Inbox<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, inbox) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while let Some(spans) = request(&mut reader) {
                    let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                    spans.into_iter().for_each(|span| sender.send(span).unwrap_or_default());
                    reader.get_mut().write_all(response.as_bytes()).unwrap();
                }
            });
        }
    });
    (url, inbox)
}

/// Reads a request. Returns its spans, or `None` at the end of the connection.
fn request(reader: &mut impl BufRead) -> Option<Vec<Span>> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let from = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(value) = head[from..].to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    assert!(head.starts_with("POST /v1/traces "), "{head}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
    let scopes = ExportRequest::decode(&*plain).unwrap().resources.into_iter().flat_map(|resource| resource.scopes);
    Some(scopes.flat_map(|scope| scope.spans).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the entities of a store that are finished, in the form of [`Span`]: by trace and id, the rest.
fn finished(receiver: &Receiver) -> BTreeMap<(String, String), (String, String, u64, u64)> {
    let traces = receiver.store().traces();
    let entities = traces.iter().flat_map(|trace| trace.nodes().map(|node| (trace.id().to_string(), node)));
    let finished = entities.filter_map(|(trace, node)| {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
        let parent = node.parent_id().map_or(String::new(), |parent| parent.to_string());
        let rest = (parent, node.name().to_owned(), nanos(node.start()), nanos(node.end()?));
        Some(((trace[2..].replace('-', ""), node.id().to_string()), rest))
    });
    finished.collect()
}

#[test]
fn an_otlp_receiver_gets_each_finished_entity_once() {
    let (url, spans) = sink(200);
    let source = Receiver::builder().forward_otlp(&url).bind("127.0.0.1:0").unwrap();
    // Those of the corpus, one of which is in progress.
    send(&source, corpus::documents());
    let part = r#","subsegments":[{"id":"00000000000000aa","name":"part","start_time":1,"end_time":1.5}]"#;
    let open = segment(1, part).replace(r#""end_time":2"#, r#""in_progress":true"#);
    let streamed = segment(2, r#","type":"subsegment","parent_id":"0000000000000001""#);
    let leaked =
        segment(3, r#","subsegments":[{"id":"00000000000000bb","name":"open","start_time":1,"in_progress":true}]"#);
    let late = segment(0xbb, r#","type":"subsegment","parent_id":"0000000000000003""#);
    send(&source, [&open, &open, &streamed, &segment(1, part), &segment(1, part), &leaked, &late].map(Clone::clone));
    let parts = [segment(5, ""), segment(6, r#","type":"subsegment","parent_id":"0000000000000005""#)];
    let put = json!({ "TraceSegmentDocuments": [parts[0], format!("[{}]", parts[1])] });
    call(source.address(), "/TraceSegments", &put);
    let store = source.store().clone();
    let want = finished(&source);
    // Sends what waits.
    drop(source);

    let spans: Vec<Span> = spans.try_iter().collect();
    let sent: BTreeMap<_, _> = spans
        .iter()
        .map(|span| {
            let Span { trace_id, span_id, parent_span_id, name, start, end } = span;
            ((hex(trace_id), hex(span_id)), (hex(parent_span_id), name.clone(), *start, *end))
        })
        .collect();
    assert_eq!((sent.len(), store.stats().not_forwarded), (spans.len(), 0), "a span was sent twice");
    let (sent, want): (Vec<_>, Vec<_>) = (sent.into_iter().collect(), want.into_iter().collect());
    assert_eq!(sent.len(), want.len());
    for (sent, want) in sent.iter().zip(&want) {
        assert_eq!((&sent.0, &sent.1.0, &sent.1.1), (&want.0, &want.1.0, &want.1.1));
        // Times are floating-point numbers, which are rounded to microseconds.
        assert!(sent.1.2.abs_diff(want.1.2) < 1_000 && sent.1.3.abs_diff(want.1.3) < 1_000, "{sent:?} {want:?}");
    }
}

#[test]
fn what_a_receiver_refuses_is_counted_and_holds_nothing_back() {
    let (url, _) = sink(400);
    let source = Receiver::builder().forward_otlp(&url).bind("127.0.0.1:0").unwrap();
    send(&source, (1..=100).map(|id| segment(id, "")));
    assert_eq!(source.store().traces()[0].len(), 100);
    let forward = || {
        let (_, body) = exchange(source.address(), "GET /api/status HTTP/1.0\r\nHost: localhost\r\n\r\n");
        serde_json::from_str::<Value>(&body).unwrap()["forward"].clone()
    };
    let refused = json!([{ "target": url, "sent": 0, "lost": 100, "failure": null }]);
    wait_for("the documents are counted", || forward() == refused);
}

#[test]
fn an_endpoint_that_is_none_is_an_error() {
    for endpoint in ["collector:4318", "ftp://a", "https://a"] {
        let error = Receiver::builder().forward_otlp(endpoint).bind("127.0.0.1:0").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
    }
}
