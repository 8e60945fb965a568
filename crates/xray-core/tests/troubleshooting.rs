//! `docs/troubleshooting.md` quotes log lines of the SDK. This test produces each of them.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use xray_core::adapter::{ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
use xray_core::diagnostics::Level;
use xray_core::emit::MemoryEmitter;
use xray_core::plugin::{Detected, Plugin};
use xray_core::sampling::{Always, FixedTarget, Rate, Rule, Rules, TailSampler, Wildcard};
use xray_core::{Naming, Recorder, RecorderBuilder, TraceHeader, annotate};

#[path = "support/child.rs"]
mod child;

const SOON: Duration = Duration::from_secs(20);

/// All printed lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Returns a recorder that prints every line here, and keeps its documents in memory.
    fn builder(&self) -> RecorderBuilder {
        let sink = self.clone();
        Recorder::builder()
            .environment(|_| None)
            .emitter(MemoryEmitter::new())
            .sampling(Always)
            .diagnostic_level(Level::Debug)
            .on_diagnostic(move |diagnostic| sink.add(diagnostic.to_string()))
    }

    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// Waits for a line that another thread prints.
    fn wait_for(&self, what: &str, mut meanwhile: impl FnMut()) {
        let end = Instant::now() + SOON;
        while !self.0.lock().unwrap().iter().any(|line| line.contains(what)) {
            assert!(Instant::now() < end, "{what:?} is not printed: {:?}", self.0.lock().unwrap());
            meanwhile();
            std::thread::yield_now();
        }
    }
}

#[test]
fn the_sdk_prints_every_line_of_the_guide() {
    if child::is_child() {
        // A process has one recorder, so the other way to install one too late needs another process.
        let _ = Recorder::global();
        let _late = Recorder::builder().build().unwrap().install();
        return;
    }
    let log = Log::default();
    let (_, errors) = child::run("the_sdk_prints_every_line_of_the_guide", &[]);
    errors.lines().filter_map(|line| line.split_once("[ERROR] ")).for_each(|(_, line)| log.add(line.to_owned()));
    requests(&log);
    configuration(&log);
    context(&log);
    sampling(&log);
    lambda(&log);
    plugins(&log);
    sending(&log);

    let printed = log.0.lock().unwrap();
    let guide = include_str!("../../../docs/troubleshooting.md");
    let quoted = quoted(guide);
    assert!(quoted.len() > 20, "{quoted:#?}");
    for line in quoted {
        let pattern = Wildcard::new(&line.replace(['?', '…'], "*"));
        assert!(printed.iter().any(|printed| pattern.matches(printed)), "{line:?} is never printed:\n{printed:#?}");
    }
}

/// Returns the lines in code blocks of the language `text`.
fn quoted(guide: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in guide.lines().map(str::trim) {
        match line {
            "```text" => inside = true,
            "```" => inside = false,
            line if inside => lines.push(line),
            _ => {}
        }
    }
    lines
}

fn begin(recorder: &Recorder, options: &ServerOptions, target: &str, header: Option<&str>) -> ServerRequest {
    let mut request = ServerRequestInfo::default();
    (request.method, request.target, request.host, request.trace_header) = ("GET", target, Some("shop.test"), header);
    ServerRequest::begin(recorder, options, &request, ServerRequestDetails::default)
}

fn requests(log: &Log) {
    let rules = Rules::default().rule(Rule::new(FixedTarget(0), Rate(0.0)).describe("Probes").path("/health"));
    let recorder = log.builder().sampling(rules).build().unwrap();
    let options = ServerOptions::new("shop");
    let incoming = begin(&recorder, &options, "/orders/7", None);
    incoming.segment().subsegment("load").close();
    incoming.segment().close();
    drop(begin(&recorder, &options, "/health", None));
    let not_sampled = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0";
    drop(begin(&recorder, &options, "/orders/7", Some(not_sampled)));
    let options = ServerOptions::new(Naming::dynamic("shop").matching("https://*.example.com"));
    drop(begin(&recorder, &options, "/", None));

    let segment = recorder.begin_from("shop", &TraceHeader::parse("Sampled=1"));
    let subsegment = segment.subsegment("GET /{id}");
    subsegment.annotate("order.id", 7);
    subsegment.close();
    subsegment.annotate("late", 1);
    segment.close();

    log.builder().sampling(TailSampler::failures()).build().unwrap().begin("shop").close();
    log.builder().build().unwrap().begin("shop").discard();
}

fn configuration(log: &Log) {
    let misspelt = |name: &str| match name {
        "AWS_XRAY_DAEMON_ADDRESS" => Some("localhost".to_owned()),
        "AWS_XRAY_SDK_DISABLED" => Some("ture".to_owned()),
        _ => None,
    };
    log.builder().environment(misspelt).build().unwrap();
    // Several problems are reported in one line.
    let mut lines = log.0.lock().unwrap();
    let last = lines.pop().unwrap();
    lines.extend(last.split("; ").map(str::to_owned));
}

fn context(log: &Log) {
    let _first = log.builder().build().unwrap().install();
    let _late = log.builder().build().unwrap().install();
    xray_core::capture("price", |_| ());
}

fn sampling(log: &Log) {
    let rules = r#"{"version": 2, "default": {"fixed_target": 1, "rate": 0.05}, "rules": [
        {"description": "Sign-in", "host": "*", "http_method": "*", "url_path": "*", "fixed_target": 1, "rate": 5}
    ]}"#;
    let folder = std::env::temp_dir().join(format!("xray-troubleshooting-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("rules.json");
    std::fs::write(&file, rules).unwrap();
    let error = Rules::from_file(&file).unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    log.add(error.replace(&format!("{}/", folder.display()), ""));
    log.add(Rules::from_json(r#"{"SamplingRuleRecords": []}"#).unwrap_err().to_string());

    // A port where nothing listens.
    let at = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let central = xray_core::sampling::Central::with_fallback(Rules::default());
    let recorder = log.builder().sampling(central).daemon(at.into()).build().unwrap();
    recorder.begin("shop").close();
    log.wait_for("cannot reach the X-Ray service", || ());
}

fn lambda(log: &Log) {
    let recorder = log.builder().build().unwrap();
    drop(recorder.facade(&TraceHeader::default()));
    drop(recorder.facade(&TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")));
    let header =
        |sampled| format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled={sampled}");
    drop(recorder.facade(&TraceHeader::parse(&header(0))));
    let header = header(1);
    let facade = recorder.facade(&TraceHeader::parse(&header));
    let _in = facade.enter();
    annotate("tenant", "acme");
    drop(_in);
}

/// A plugin with the name of that for ECS, which detects nothing.
struct Nowhere;

impl Plugin for Nowhere {
    fn name(&self) -> &str {
        "Ecs"
    }

    fn detect(&self) -> Result<Detected, Box<dyn std::error::Error + Send + Sync>> {
        Err("not on this platform".into())
    }
}

fn plugins(log: &Log) {
    log.builder().plugin(Nowhere).build().unwrap();
    log.wait_for("plugins have finished", || ());
}

fn sending(log: &Log) {
    let at = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (daemon, line) in
        [(at.to_string(), "no X-Ray daemon listens"), ("xray.invalid:2000".to_owned(), "does not resolve")]
    {
        let sink = log.clone();
        let recorder = Recorder::builder()
            .environment(|_| None)
            .sampling(Always)
            .daemon(daemon.parse().unwrap())
            .diagnostic_level(Level::Debug)
            .on_diagnostic(move |diagnostic| sink.add(diagnostic.to_string()))
            .build()
            .unwrap();
        log.wait_for(line, || {
            recorder.begin("shop").close();
            recorder.flush(Duration::from_millis(100));
        });
    }
}
