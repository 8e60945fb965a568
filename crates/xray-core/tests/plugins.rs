//! Plugins through a recorder: late, partial, wrong or missing results never affect requests.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xray_core::diagnostics::{Cause, Diagnostic, Level};
use xray_core::emit::MemoryEmitter;
use xray_core::plugin::{Detected, Ec2, Ecs, Eks, ElasticBeanstalk, Plugin};
use xray_core::sampling::{Always, Decision, Sampler, SamplingRequest};
use xray_core::serde_json::{Value, json};
use xray_core::time::{Clock, Timestamp};
use xray_core::{Recorder, RecorderBuilder};

use endpoint::{Directory, Endpoint, Reply};

#[path = "support/child.rs"]
mod child;
#[path = "support/endpoint.rs"]
mod endpoint;

const SOON: Duration = Duration::from_secs(20);
const DOCUMENT: &str =
    r#"{"instanceId": "i-07a1", "availabilityZone": "eu-west-1b", "instanceType": "t3.micro", "imageId": "ami-1"}"#;

/// Returns a recorder with deterministic documents, its emitter, and its log lines about plugins.
fn builder() -> (RecorderBuilder, MemoryEmitter, Receiver<String>) {
    let (emitter, (sender, lines)) = (MemoryEmitter::new(), mpsc::channel());
    let log = move |diagnostic: &Diagnostic<'_>| {
        if diagnostic.cause() == Cause::Plugin {
            let _ = sender.send(format!("{} {diagnostic}", diagnostic.level()));
        }
    };
    let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
    let builder =
        Recorder::builder().sampling(Always).emitter(emitter.clone()).on_diagnostic(log).diagnostic_level(Level::Debug);
    (builder.seed(7).clock(clock).service("shop"), emitter, lines)
}

/// Waits until the plugins have finished, and returns the log lines until then.
fn wait_for_plugins(log: &Receiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("plugins have finished")) {
        lines.push(log.recv_timeout(SOON).expect("the plugins run"));
    }
    lines
}

fn record(recorder: &Recorder, emitter: &MemoryEmitter) -> Value {
    let segment = recorder.begin("shop");
    segment.subsegment("load").close();
    segment.close();
    emitter.take()[0].json().parse().unwrap()
}

/// Returns the document that `record` should return, with an origin and the given members of `aws`.
fn document(recorded: &Value, origin: Option<&str>, blocks: Value) -> Value {
    let mut aws = json!({"xray": {"sdk": "X-Ray for Rust", "sdk_version": env!("CARGO_PKG_VERSION")}});
    aws.as_object_mut().unwrap().extend(blocks.as_object().unwrap().clone());
    let mut document = json!({
        "name": "shop", "id": recorded["id"], "trace_id": recorded["trace_id"],
        "start_time": 1_700_000_000.0, "end_time": 1_700_000_000.0,
        "aws": aws,
        "service": {"name": "shop", "runtime": "rustc", "runtime_version": env!("XRAY_RUSTC_VERSION")},
        "subsegments": [{
            "name": "load", "id": recorded["subsegments"][0]["id"],
            "start_time": 1_700_000_000.0, "end_time": 1_700_000_000.0,
        }],
    });
    if let Some(origin) = origin {
        document["origin"] = origin.into();
    }
    document
}

fn instance() -> Value {
    json!({"instance_id": "i-07a1", "availability_zone": "eu-west-1b", "instance_size": "t3.micro", "ami_id": "ami-1"})
}

fn metadata_service() -> Endpoint {
    Endpoint::start(|target| Reply::ok(if target == "/latest/api/token" { "token" } else { DOCUMENT }))
}

/// A user's plugin.
struct Rack<F>(F);

type Found = Result<Detected, Box<dyn Error + Send + Sync>>;

impl<F: Fn() -> Found + Send + Sync + 'static> Plugin for Rack<F> {
    fn name(&self) -> &str {
        "Rack"
    }

    fn detect(&self) -> Found {
        (self.0)()
    }
}

#[test]
fn the_first_requests_are_not_delayed_and_later_ones_have_the_result() {
    let (release, released) = mpsc::channel();
    let endpoint = Endpoint::start(move |target| {
        if target == "/latest/api/token" {
            return Reply::ok("token");
        }
        released.recv().unwrap();
        Reply::ok(DOCUMENT)
    });
    let (builder, emitter, log) = builder();
    let recorder = builder.plugin(Ec2::new().endpoint(endpoint.url("")).timeout(SOON)).build().unwrap();
    for _ in 0..3 {
        // The endpoint cannot have responded yet.
        let first = record(&recorder, &emitter);
        assert_eq!(first, document(&first, None, json!({})));
    }
    let open = recorder.begin("shop");
    release.send(()).unwrap();
    assert_eq!(wait_for_plugins(&log).last().unwrap(), "DEBUG plugins have finished: the origin is AWS::EC2::Instance");
    for _ in 0..3 {
        let later = record(&recorder, &emitter);
        assert_eq!(later, document(&later, Some("AWS::EC2::Instance"), json!({"ec2": instance()})));
    }
    open.close();
    assert!(emitter.take()[0].json().contains("i-07a1"), "it was open when the result arrived");
    assert_eq!(endpoint.requests().len(), 2, "one token and one document");
}

#[test]
fn results_are_written_next_to_the_sdk_and_change_nothing_else() {
    let plain = {
        let (plain, emitter, _log) = builder();
        let segment = plain.build().unwrap().begin("shop");
        segment.close();
        emitter.take()[0].json().to_owned()
    };
    let (builder, emitter, log) = builder();
    let rack = || Ok(Detected::new("Example::Rack", "rack").field("unit", &7).log_group("shop", None));
    let recorder = builder.plugin(Rack(rack)).build().unwrap();
    wait_for_plugins(&log);
    recorder.begin("shop").close();
    let found = emitter.take()[0].json().to_owned();
    let without = found
        .replace(r#""origin":"Example::Rack","#, "")
        .replace(r#","rack":{"unit":7},"cloudwatch_logs":[{"log_group":"shop"}]"#, "");
    assert_eq!(without, plain);
    assert!(found.contains(r#""origin":"Example::Rack","aws":{"xray":{"#), "{found}");
}

#[test]
fn all_blocks_and_the_most_specific_origin_are_written() {
    let ec2 = metadata_service();
    let ecs = Endpoint::start(|_| {
        Reply::ok(
            r#"{"ContainerARN": "arn:aws:ecs:us-west-2:1:container/a", "LogDriver": "awslogs",
                "LogOptions": {"awslogs-group": "/ecs/shop"}}"#,
        )
    });
    let directory = Directory::new().with("e.conf", r#"{"environment_name": "prod", "deployment_id": 32}"#);
    let (builder, emitter, log) = builder();
    let recorder = builder
        .plugin(ElasticBeanstalk::new().file(directory.path().join("e.conf")))
        .plugin(Ecs::new().endpoint(ecs.url("/v4")).timeout(SOON))
        .plugin(Ec2::new().endpoint(ec2.url("/")).timeout(SOON))
        .build()
        .unwrap();
    wait_for_plugins(&log);
    let mut recorded = record(&recorder, &emitter);
    // The others are names of this machine.
    let container = recorded["aws"]["ecs"].as_object_mut().unwrap();
    container.retain(|name, _| name == "container_arn");
    let blocks = json!({
        "elastic_beanstalk": {"environment_name": "prod", "deployment_id": 32},
        "ecs": {"container_arn": "arn:aws:ecs:us-west-2:1:container/a"},
        "ec2": instance(),
        "cloudwatch_logs": [{"log_group": "/ecs/shop", "arn": "arn:aws:logs:us-west-2:1:log-group:/ecs/shop"}],
    });
    assert_eq!(recorded, document(&recorded, Some("AWS::ElasticBeanstalk::Environment"), blocks));
}

#[test]
fn a_plugin_that_fails_affects_neither_documents_nor_other_plugins() {
    let wrong = Endpoint::start(|_| Reply::ok("no json"));
    let missing = Endpoint::start(|_| Reply::Status(404));
    let never = Endpoint::start(|_| Reply::Never);
    let ec2 = metadata_service();
    let failing = |builder: RecorderBuilder| {
        builder
            .plugin(Rack(|| panic!("a plugin's bug")))
            .plugin(Rack(|| Err("not here".into())))
            .plugin(Rack(|| Ok(Detected::new("o", "xray").field("sdk", "mine"))))
            .plugin(Rack(|| Ok(Detected::new("o", "large").field("text", &"x".repeat(5_000)))))
            .plugin(Ecs::new().endpoint(wrong.url("/v4")))
            .plugin(Ecs::new().endpoint(never.url("/v4")).timeout(Duration::from_millis(20)))
            .plugin(Ec2::new().endpoint(missing.url("")))
            .plugin(Ec2::new().endpoint(Endpoint::absent()))
            .plugin(ElasticBeanstalk::new().file("/nowhere/environment.conf"))
    };
    let (all_fail, emitter, log) = builder();
    let recorder = failing(all_fail).build().unwrap();
    let lines = wait_for_plugins(&log);
    assert_eq!(lines.len(), 10, "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("DEBUG ")), "{lines:#?}");
    assert_eq!(lines[0], "DEBUG a plugin panicked: it counts as detecting nothing");
    assert_eq!(lines[1], "DEBUG plugin Rack detected nothing: not here");
    assert_eq!(lines[9], "DEBUG plugins have finished: nothing was detected");
    let recorded = record(&recorder, &emitter);
    assert_eq!(recorded, document(&recorded, None, json!({})));

    let (one_succeeds, emitter, log) = builder();
    let recorder = failing(one_succeeds).plugin(Ec2::new().endpoint(ec2.url("")).timeout(SOON)).build().unwrap();
    wait_for_plugins(&log);
    let recorded = record(&recorder, &emitter);
    assert_eq!(recorded, document(&recorded, Some("AWS::EC2::Instance"), json!({"ec2": instance()})));
}

#[test]
fn a_sampler_receives_the_detected_origin() {
    #[derive(Clone, Default)]
    struct Types(Arc<Mutex<Vec<Option<String>>>>);
    impl Sampler for Types {
        fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
            self.0.lock().unwrap().push(request.service_type.map(str::to_owned));
            Decision::not_sampled()
        }
    }
    let (types, (builder, _emitter, log)) = (Types::default(), builder());
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let rack = move || {
        released.lock().unwrap().recv()?;
        Ok(Detected::new("Example::Rack", "rack"))
    };
    let recorder = builder.sampling(types.clone()).plugin(Rack(rack)).build().unwrap();
    drop(recorder.begin("shop"));
    release.send(()).unwrap();
    wait_for_plugins(&log);
    drop(recorder.begin("shop"));
    assert_eq!(*types.0.lock().unwrap(), [None, Some("Example::Rack".to_owned())]);
}

/// A plugin that counts its calls.
fn counting(calls: &Arc<AtomicUsize>) -> impl Plugin {
    let calls = calls.clone();
    Rack(move || {
        calls.fetch_add(1, Ordering::SeqCst);
        Ok(Detected::default())
    })
}

#[test]
fn a_disabled_recorder_runs_no_plugin() {
    let calls = Arc::default();
    let recorder = builder().0.enabled(false).plugin(counting(&calls)).build().unwrap();
    assert_eq!(Arc::strong_count(&calls), 1, "the plugin is dropped");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert!(!recorder.is_enabled());
}

#[test]
fn on_lambda_no_plugin_runs() {
    if !child::is_child() {
        child::run("on_lambda_no_plugin_runs", &[("LAMBDA_TASK_ROOT", "/var/task")]);
        return;
    }
    let calls = Arc::default();
    let recorder = builder().0.plugin(counting(&calls)).build().unwrap();
    assert_eq!(Arc::strong_count(&calls), 1, "the plugin is dropped");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert!(recorder.is_enabled());
}

#[test]
fn the_environment_sets_endpoint_and_log_group() {
    let test = "the_environment_sets_endpoint_and_log_group";
    if !child::is_child() {
        let endpoint = metadata_service();
        let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*endpoint.url("/")), ("AWS_LOG_GROUP", "shop")];
        child::run(test, &variables);
        return assert_eq!(endpoint.requests().len(), 2);
    }
    let logs = json!([{"log_group": "shop"}]);
    let (plain, emitter, _log) = builder();
    let recorded = record(&plain.build().unwrap(), &emitter);
    assert_eq!(recorded, document(&recorded, None, json!({"cloudwatch_logs": logs})), "without any plugin");

    let (builder, emitter, log) = builder();
    let rack = Rack(|| Ok(Detected::default().log_group("of a plugin", None)));
    let recorder = builder.plugin(Ec2::new().endpoint(Endpoint::absent()).timeout(SOON)).plugin(rack).build().unwrap();
    wait_for_plugins(&log);
    let recorded = record(&recorder, &emitter);
    let blocks = json!({"ec2": instance(), "cloudwatch_logs": logs});
    assert_eq!(recorded, document(&recorded, Some("AWS::EC2::Instance"), blocks));
}

#[test]
fn a_plugin_that_never_returns_does_not_keep_the_program_running() {
    let test = "a_plugin_that_never_returns_does_not_keep_the_program_running";
    if !child::is_child() {
        child::run(test, &[]);
        return;
    }
    let endpoint = Endpoint::start(|_| Reply::Never);
    let (builder, emitter, _log) = builder();
    let never = Ec2::new().endpoint(endpoint.url("")).timeout(Duration::from_secs(1_000_000));
    let recorder = builder.plugin(never).plugin(Eks::new()).build().unwrap();
    let recorded = record(&recorder, &emitter);
    assert_eq!(recorded, document(&recorded, None, json!({})));
    drop(recorder);
}
