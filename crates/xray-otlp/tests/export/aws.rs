//! X-Ray's own endpoints: signatures against botocore, the service against moto and a script.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};
use xray_core::Recorder;
use xray_core::diagnostics::Level;
use xray_core::emit::{Flushed, MemoryEmitter};
use xray_core::sampling::central::{CallError, SamplingApi};
use xray_core::sampling::{Central, FixedTarget, Rate, Rules, SamplingRequest};
use xray_otlp::{Batching, Otlp, PutTraceSegments, sampling_api};

use crate::receiver::{Act, Receiver, Request};
use crate::{SOON, has, recorder};

/// The variable with the path of moto's server. The Python next to it has botocore. `.ci/run` installs both and sets the
/// variable.
const MOTO: &str = "XRAY_TEST_MOTO_SERVER";

fn config(endpoint: &str) -> SdkConfig {
    let end = SystemTime::now() + Duration::from_secs(3_600);
    let credentials =
        Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", Some("token=".to_owned()), Some(end), "test");
    let provider = SharedCredentialsProvider::new(credentials);
    SdkConfig::builder().region(Region::new("eu-west-1")).credentials_provider(provider).endpoint_url(endpoint).build()
}

fn quick() -> Batching {
    Batching::default().delay(Duration::from_millis(1))
}

/// Returns a program of moto's environment. Prints a line and returns `None` if it is missing, which on CI is a failure.
fn program(name: &str) -> Option<std::path::PathBuf> {
    let server = std::env::var_os(MOTO).map(std::path::PathBuf::from);
    let program = server.map(|server| server.with_file_name(name)).filter(|program| program.exists());
    if program.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{MOTO} is not set to an environment that has {name}");
        let _ = writeln!(std::io::stderr(), "skipped: {MOTO} names no environment with {name}");
    }
    program
}

/// Returns the signature that botocore computes for a request with its date and signed headers.
fn botocore_signature(python: &std::path::Path, receiver: &Receiver, request: &Request) -> String {
    const SCRIPT: &str = r#"
import json, sys, datetime
from unittest import mock
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
import botocore.auth

given = json.load(sys.stdin)
date = datetime.datetime.strptime(given["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ")
signed = given["headers"]["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
headers = {name: given["headers"][name] for name in signed if name not in ("host", "x-amz-date", "x-amz-security-token")}
request = AWSRequest("POST", given["url"], headers=headers, data=bytes.fromhex(given["body"]))
credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "token=")
clock = mock.Mock(wraps=datetime.datetime)
clock.utcnow.return_value = date
clock.now.return_value = date
with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: date, create=True), \
        mock.patch("botocore.auth.datetime", mock.Mock(datetime=clock), create=True):
    SigV4Auth(credentials, "xray", "eu-west-1").add_auth(request)
print(request.headers["Authorization"])
"#;
    let headers: serde_json::Map<_, _> =
        request.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    let body: String = request.body.iter().map(|byte| format!("{byte:02x}")).collect();
    let given = json!({"url": format!("{}{}", receiver.url(), request.path), "headers": headers, "body": body});
    let mut child = Command::new(python);
    let mut child = child.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn signatures_equal_those_of_botocore() {
    let Some(python) = program("python") else { return };
    let receiver = Receiver::start([]);
    let otlp = Otlp::builder().aws(&config(&receiver.url())).unwrap().header("x-tenant", "shop").unwrap();
    let (by_otlp, _) = recorder(otlp.build().unwrap());
    let (by_service, _) = recorder(PutTraceSegments::new(&config(&receiver.url())).unwrap());
    for (recorder, path, signed) in [
        (by_otlp, "/v1/traces", "content-encoding;content-type;host;x-amz-date;x-amz-security-token;x-tenant"),
        (by_service, "/TraceSegments", "content-type;host;x-amz-date;x-amz-security-token"),
    ] {
        recorder.begin("shop").close();
        recorder.flush(SOON);
        let request = receiver.next();
        assert_eq!((&*request.path, request.header("x-amz-security-token")), (path, Some("token=")));
        let authorization = request.header("authorization").unwrap();
        assert!(authorization.contains(&format!("SignedHeaders={signed},")), "{authorization}");
        assert!(authorization.contains("/eu-west-1/xray/aws4_request"), "{authorization}");
        assert_eq!(authorization, botocore_signature(&python, &receiver, &request));
    }
}

#[test]
fn each_attempt_is_signed_again_and_expired_credentials_are_renewed() {
    let expired = || {
        let body = br#"{"__type":"com.amazonaws.xray#ExpiredTokenException","message":"The token is expired"}"#;
        Act::Respond(403, "Content-Type: application/x-amz-json-1.1\r\nRetry-After: 0\r\n", body.to_vec())
    };
    let denied = || {
        let headers = "x-amzn-ErrorType: AccessDeniedException:http://x\r\nContent-Type: application/json\r\n";
        Act::Respond(403, headers, br#"{"Message":"not allowed"}"#.to_vec())
    };
    let receiver = Receiver::start([expired(), Act::ok(), denied(), expired(), Act::ok(), denied()]);
    let otlp = Otlp::builder().aws(&config(&receiver.url())).unwrap().batching(quick()).build().unwrap();
    let service = PutTraceSegments::with_batching(&config(&receiver.url()), quick()).unwrap();
    for (recorder, reports) in [recorder(otlp), recorder(service)] {
        recorder.begin("shop").close();
        recorder.flush(SOON);
        recorder.begin("shop").close();
        recorder.flush(SOON);
        let stats = recorder.stats();
        assert_eq!((stats.emitted, stats.retries, stats.dropped_rejected), (1, 1, 1), "{reports:?}");
        assert!(has(&reports, Level::Warn, "export_failed", "403 (The token is expired)"), "{reports:?}");
        assert!(has(&reports, Level::Error, "export_refused", "403 (not allowed)"), "{reports:?}");
        assert!(receiver.rest().iter().all(|request| request.header("authorization").is_some()));
    }
}

/// Returns the documents of a request.
fn documents(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let documents = body["TraceSegmentDocuments"].as_array().unwrap().iter();
    documents.map(|document| serde_json::from_str(document.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn requests_stay_within_the_limits_of_the_service() {
    let receiver = Receiver::start([]);
    let batching = Batching::default().documents(1_000).delay(Duration::from_secs(3_600));
    let (recorder, _) = recorder(PutTraceSegments::with_batching(&config(&receiver.url()), batching).unwrap());
    for _ in 0..120 {
        recorder.begin("shop").close();
    }
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let counts: Vec<_> = receiver.rest().iter().map(|request| documents(request).len()).collect();
    assert_eq!(counts, [50, 50, 20]);
    // Ten documents of about 60 KB exceed the limit of a request.
    for _ in 0..10 {
        recorder.begin("shop").metadata("text", "x".repeat(60_000).as_str()).close();
    }
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let requests = receiver.rest();
    assert!(requests.len() == 2 && requests.iter().all(|request| request.body.len() < 600 << 10));
    assert_eq!(recorder.stats().emitted, 130);
}

#[test]
fn unprocessed_segments_are_counted_and_reported_with_the_reason() {
    let response = json!({"UnprocessedTraceSegments": [
        {"Id": "0000000000000000", "ErrorCode": "InvalidName", "Message": "no such name"}, {"ErrorCode": "ParseError"},
    ]});
    let receiver =
        Receiver::start([Act::Respond(200, "Content-Type: application/json\r\n", response.to_string().into())]);
    let hour = Batching::default().delay(Duration::from_secs(3_600));
    let (recorder, reports) = recorder(PutTraceSegments::with_batching(&config(&receiver.url()), hour).unwrap());
    for _ in 0..4 {
        recorder.begin("shop").close();
    }
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let stats = recorder.stats();
    assert_eq!((stats.emitted, stats.dropped_rejected, stats.retries), (2, 2, 0));
    assert!(has(&reports, Level::Error, "export_refused", "InvalidName: no such name"), "{reports:?}");
}

#[test]
fn a_throttled_request_is_retried() {
    let throttled = |status| {
        let body = br#"{"__type":"ThrottledException","message":"slow down"}"#;
        Act::Respond(status, "Content-Type: application/json\r\nRetry-After: 0\r\n", body.to_vec())
    };
    let receiver = Receiver::start([throttled(429), throttled(400), Act::Respond(500, "Retry-After: 0\r\n", vec![])]);
    let (recorder, _) = recorder(PutTraceSegments::with_batching(&config(&receiver.url()), quick()).unwrap());
    recorder.begin("shop").close();
    assert_eq!(recorder.flush(SOON), Flushed::All);
    assert_eq!((recorder.stats().emitted, recorder.stats().retries), (1, 3));
}

/// Returns a page of one sampling rule that decides about every request by its reservoir alone.
fn rules() -> Act {
    let rule = json!({"SamplingRule": {
        "RuleName": "direct", "Priority": 1, "FixedRate": 0.0, "ReservoirSize": 1, "Version": 1, "ResourceARN": "*",
        "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*",
    }});
    let page = json!({"SamplingRuleRecords": [rule]});
    Act::Respond(200, "Content-Type: application/json\r\n", page.to_string().into())
}

#[test]
fn central_sampling_calls_the_service_directly_and_signed() {
    let expired = br#"{"__type":"com.amazonaws.xray#ExpiredTokenException","message":"The token is expired"}"#;
    let expired = Act::Respond(403, "Content-Type: application/json\r\n", expired.to_vec());
    let receiver = Receiver::start([expired, rules()]);
    let mut api = sampling_api(&config(&receiver.url())).unwrap()();
    assert_eq!(api.to_string(), format!("the X-Ray service at {}/", receiver.url()));
    assert_eq!(
        api.call("GetSamplingRules", "{}"),
        Err(CallError::Refused("it responded with status 403 (The token is expired)".to_owned()))
    );
    assert!(api.call("GetSamplingRules", "{}").unwrap().contains("direct"));
    assert_eq!(api.call("SamplingTargets", r#"{"SamplingStatisticsDocuments":[]}"#), Ok(String::new()));
    let requests = receiver.rest();
    let paths: Vec<_> = requests.iter().map(|request| &*request.path).collect();
    assert_eq!(paths, ["/GetSamplingRules", "/GetSamplingRules", "/SamplingTargets"]);
    assert_eq!(requests[2].body, br#"{"SamplingStatisticsDocuments":[]}"#);
    let Some(python) = program("python") else { return };
    for request in &requests {
        assert_eq!(request.header("authorization"), Some(&*botocore_signature(&python, &receiver, request)));
    }
}

#[test]
fn rules_of_the_service_decide_without_a_daemon() {
    let receiver = Receiver::start([rules()]);
    let sampler = Central::with_fallback(Rules::new(FixedTarget(0), Rate(0.0)));
    let sampler = sampler.through(sampling_api(&config(&receiver.url())).unwrap());
    let service = PutTraceSegments::with_batching(&config(&receiver.url()), quick()).unwrap();
    let recorder = Recorder::builder().environment(|_| None).emitter(service).sampling(sampler).build().unwrap();
    // The first decision starts the thread that fetches the rules.
    assert!(!recorder.begin("shop").is_sampled());
    assert_eq!(receiver.next().path, "/GetSamplingRules");
    let deadline = Instant::now() + SOON;
    let request = SamplingRequest::new("shop");
    while recorder.explain(&request).to_string().contains("no rules fetched") {
        assert!(Instant::now() < deadline, "{}", recorder.explain(&request));
        thread::yield_now();
    }
    let segment = recorder.begin("shop");
    segment.close();
    assert!(segment.is_sampled(), "the reservoir lends one request each second");
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let put = receiver.next();
    assert_eq!((&*put.path, documents(&put).len()), ("/TraceSegments", 1));
    assert_eq!(documents(&put)[0]["aws"]["xray"]["sampling_rule_name"], "direct");
}

#[test]
fn an_unreachable_service_leaves_the_decision_to_local_rules() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = config(&format!("http://{closed}"));
    let (sender, reports) = channel();
    let sender = Mutex::new(sender);
    let recorder = Recorder::builder()
        .environment(|_| None)
        .emitter(MemoryEmitter::new())
        .sampling(Central::with_fallback(Rules::new(FixedTarget(0), Rate(1.0))).through(sampling_api(&config).unwrap()))
        .on_diagnostic(move |diagnostic| drop(sender.lock().unwrap().send(diagnostic.to_string())))
        .build()
        .unwrap();
    assert!(recorder.begin("shop").is_sampled());
    let report = reports.recv_timeout(SOON).unwrap();
    assert!(report.starts_with(&format!("cannot reach the X-Ray service at http://{closed}/: ")), "{report}");
    assert!(report.ends_with("then local rules"), "{report}");
}

/// A running server of moto.
struct Moto(Child, String);

impl Moto {
    fn start() -> Option<Moto> {
        let mut command = Command::new(program("moto_server")?);
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("Running on ")?.1.trim().to_owned())).unwrap();
        // It logs each request, and blocks if no one reads the log.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Moto(child, address))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn moto_stores_documents_and_boto3_reads_them() {
    const SCRIPT: &str = r#"
import boto3, json, sys
client = boto3.client("xray", region_name="eu-west-1", endpoint_url=sys.argv[1],
                      aws_access_key_id="a", aws_secret_access_key="b")
traces = client.batch_get_traces(TraceIds=[sys.argv[2]])["Traces"]
print(json.dumps([json.loads(segment["Document"]) for trace in traces for segment in trace["Segments"]]))
"#;
    let (Some(moto), Some(python)) = (Moto::start(), program("python")) else { return };
    let (recorder, reports) = recorder(PutTraceSegments::new(&config(&moto.1)).unwrap());
    let segment = recorder.begin("shop");
    segment.subsegment("load").annotate("n", 7).close();
    segment.close();
    assert_eq!(recorder.flush(SOON), Flushed::All);
    assert_eq!((recorder.stats().emitted, recorder.stats().dropped_rejected), (1, 0), "{reports:?}");
    let trace = segment.trace_id().unwrap().to_string();
    let output = Command::new(python).args(["-c", SCRIPT, &moto.1, &trace]).output().unwrap();
    let read: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(read[0]["name"], "shop");
    assert_eq!(read[0]["subsegments"][0]["annotations"]["n"], 7);
}
