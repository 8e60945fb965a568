//! Tests with a real collector: rotel, which is written in Rust, from its wheel on PyPI.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use xray_core::emit::Flushed;
use xray_core::{Aws, Namespace};
use xray_otlp::{Encoding, Otlp};

use crate::receiver::Receiver;
use crate::{SOON, recorder};

/// The variable with the path of the program. `.ci/run` unpacks the program and sets the variable.
const VARIABLE: &str = "XRAY_TEST_ROTEL";

struct Rotel(Child);

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a collector and returns it with its address. Returns `None` if the program is missing or does not run on this
/// system.
fn start(arguments: &[&str]) -> Option<(Rotel, String)> {
    let skip = |why: String| {
        let _ = writeln!(std::io::stderr(), "skipped: rotel: {why}");
        None
    };
    let Some(program) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        return skip(format!("{VARIABLE} does not name it"));
    };
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (http, grpc) = (free(), free());
    let mut command = Command::new(program);
    command.args(["start", "--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc]).args(arguments);
    command.env("AWS_ACCESS_KEY_ID", "AKID").env("AWS_SECRET_ACCESS_KEY", "secret");
    let child = match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) => return skip(error.to_string()),
    };
    let mut rotel = Rotel(child);
    let began = Instant::now();
    while TcpStream::connect(&http).is_err() {
        if let Ok(Some(status)) = rotel.0.try_wait() {
            return skip(format!("it ended with {status}"));
        }
        assert!(began.elapsed() < SOON, "rotel did not start to listen");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Some((rotel, http))
}

#[test]
fn a_trace_passes_through_a_collector_unchanged() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let sink = Receiver::start([]);
        let Some((_rotel, http)) =
            start(&["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", &sink.url()])
        else {
            return;
        };
        let otlp = Otlp::builder().endpoint(format!("http://{http}")).encoding(encoding).build().unwrap();
        let (recorder, reports) = recorder(otlp);
        let segment = recorder.begin("shop");
        segment.set_user("jo").annotate("n", 7).metadata("m", &["a"]);
        segment.subsegment("load").fault("it failed").close();
        segment.close();
        let trace = segment.trace_id().unwrap().to_string().replace('-', "");
        assert_eq!(recorder.flush(SOON), Flushed::All);
        assert_eq!((recorder.stats().emitted, recorder.stats().rejected_spans), (1, 0), "{reports:?}");
        let mut spans = sink.next().spans();
        spans.sort_by_key(|span| span.parent_span_id.len());
        let [shop, load] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((&*shop.name, &*load.name, &load.parent_span_id), ("shop", "load", &shop.span_id));
        let json = serde_json::to_value(load).unwrap();
        assert_eq!(format!("1{}", json["traceId"].as_str().unwrap()), trace);
        assert_eq!((load.events.len(), load.status.as_ref().unwrap().code), (1, 2));
        let keys: Vec<_> = shop.attributes.iter().map(|attribute| &*attribute.key).collect();
        for key in ["enduser.id", "n", "aws.xray.annotations", "aws.xray.metadata.default"] {
            assert!(keys.contains(&key), "{key} of {keys:?}");
        }
    }
}

#[test]
fn a_collectors_own_exporter_converts_the_spans_back_to_segments() {
    let xray = Receiver::start([]);
    let Some((_rotel, http)) = start(&[
        "--exporter",
        "aws-xray",
        "--xray-exporter-custom-endpoint",
        &xray.url(),
        "--xray-exporter-region",
        "eu-west-1",
    ]) else {
        return;
    };
    let (recorder, _) = recorder(Otlp::new(format!("http://{http}")).unwrap());
    let segment = recorder.begin("shop");
    let call = segment.subsegment("DynamoDB");
    call.set_namespace(Namespace::Aws).set_aws(&Aws::operation("GetItem").region("eu-west-1"));
    call.close();
    segment.close();
    recorder.flush(SOON);
    let request = xray.next();
    assert_eq!(request.path, "/TraceSegments");
    let body: serde_json::Value = serde_json::from_slice(&request.plain()).unwrap();
    let documents = body["TraceSegmentDocuments"].as_array().unwrap().iter();
    let documents: Vec<serde_json::Value> =
        documents.map(|document| serde_json::from_str(document.as_str().unwrap()).unwrap()).collect();
    let find =
        |id: &str| documents.iter().find(|document| document["id"] == *id).unwrap_or_else(|| panic!("{documents:?}"));
    let of_segment = find(&segment.id().unwrap().to_string());
    assert_eq!(of_segment["name"], "shop");
    assert_ne!(of_segment["type"], "subsegment");
    assert_eq!(of_segment["trace_id"], segment.trace_id().unwrap().to_string());
    let of_call = find(&call.id().unwrap().to_string());
    assert_eq!((&of_call["name"], &of_call["parent_id"]), (&"DynamoDB".into(), &of_segment["id"]));
    // The collector's exporter does not support namespaces.
    assert_eq!(of_call["aws"]["operation"], "GetItem");
}
