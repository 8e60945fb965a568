use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use prost::Message;
use serde_json::{Map, Value, json};
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::Always;
use xray_core::{Entity as Handle, Recorder, Subsegment};

use super::*;

/// Returns the document of a segment with a subsegment, each with further members.
fn document(segment: &str, subsegment: &str) -> String {
    format!(
        r#"{{"name":"shop","id":"53995c3f42cd8ad8","trace_id":"1-5759e988-bd862e3fe1be46a994272793",
        "start_time":1795399782.5,"end_time":1795399783{segment},"subsegments":[{{"name":"db","id":"0000000000000002",
        "start_time":1795399782.6,"end_time":1795399782.7{subsegment}}}]}}"#
    )
}

fn map(documents: &[String]) -> Mapped {
    Mapper::new("fallback").map(documents.iter().map(String::as_str))
}

/// Converts a list of OTLP attributes to an object of plain values.
fn plain(attributes: &Value) -> Value {
    fn value(any: &Value) -> Value {
        let (kind, value) = any.as_object().unwrap().iter().next().unwrap();
        match kind.as_str() {
            "intValue" => value.as_str().unwrap().parse::<i64>().unwrap().into(),
            "arrayValue" => value["values"].as_array().unwrap().iter().map(self::value_of).collect(),
            _ => value.clone(),
        }
    }
    let mut object = Map::new();
    for attribute in attributes.as_array().into_iter().flatten() {
        let key = attribute["key"].as_str().unwrap();
        assert!(object.insert(key.to_owned(), value(&attribute["value"])).is_none(), "{key} occurs twice");
    }
    object.into()
}

fn value_of(any: &Value) -> Value {
    plain(&json!([{"key": "", "value": any}]))[""].clone()
}

/// Returns the spans of the only group, in JSON.
fn group(mapped: &Mapped) -> Value {
    assert_eq!(mapped.request.resource_spans.len(), 1);
    serde_json::to_value(&mapped.request.resource_spans[0]).unwrap()
}

fn spans(mapped: &Mapped) -> Vec<Value> {
    let groups = mapped.request.resource_spans.iter();
    groups.flat_map(|group| &group.scope_spans[0].spans).map(|span| serde_json::to_value(span).unwrap()).collect()
}

#[test]
fn a_segment_is_a_server_span_and_the_kind_of_a_subsegment_is_that_of_its_call() {
    for (members, kind) in [("", 1), (r#","namespace":"remote""#, 3), (r#","namespace":"aws""#, 3)] {
        let mapped = map(&[document(r#","parent_id":"00000000000000ff""#, members)]);
        assert!(matches!(mapped.spans[..], [Ok(2)]));
        let [segment, child] = &spans(&mapped)[..] else { panic!() };
        let want = json!({
            "traceId": "5759e988bd862e3fe1be46a994272793", "spanId": "53995c3f42cd8ad8",
            "parentSpanId": "00000000000000ff", "name": "shop", "kind": 2, "flags": 0x301,
            "startTimeUnixNano": "1795399782500000000", "endTimeUnixNano": "1795399783000000000",
        });
        assert_eq!(segment, &want);
        assert_eq!(child["kind"], kind);
        assert_eq!((&child["parentSpanId"], &child["flags"]), (&segment["spanId"], &json!(0x101)));
    }
}

#[test]
fn blocks_of_segments_become_attributes() {
    for (members, want) in [
        ("", json!({})),
        (r#","user":"jo""#, json!({"enduser.id": "jo"})),
        (
            r#","http":{"request":{"method":"GET","url":"http://h/a","user_agent":"curl","client_ip":"1.2.3.4",
            "x_forwarded_for":true},"response":{"status":200,"content_length":-1}}"#,
            json!({
                "http.request.method": "GET", "http.method": "GET", "url.full": "http://h/a", "http.url": "http://h/a",
                "user_agent.original": "curl", "http.user_agent": "curl", "client.address": "1.2.3.4",
                "http.client_ip": "1.2.3.4", "aws.xray.x_forwarded_for": true,
                "http.response.status_code": 200, "http.status_code": 200,
            }),
        ),
        (
            r#","annotations":{"n":7,"ok":true,"s":"t","f":1.5,"n":8},"metadata":{"default":{"k":[1, 2]},"db":{}}"#,
            json!({
                "n": 8, "ok": true, "s": "t", "f": 1.5, "aws.xray.annotations": ["n", "ok", "s", "f"],
                "aws.xray.metadata.default": r#"{"k":[1, 2]}"#, "aws.xray.metadata.db": "{}",
            }),
        ),
        (
            r#","aws":{"xray":{"sdk":"X-Ray for Rust","sampling_rule_name":"Default"}}"#,
            json!({"aws.xray.sampling_rule_name": "Default"}),
        ),
        (r#","error":true,"throttle":true"#, json!({"aws.xray.flags": ["error", "throttle"]})),
    ] {
        assert_eq!(plain(&spans(&map(&[document(members, "")]))[0]["attributes"]), want, "{members}");
    }
}

#[test]
fn blocks_of_subsegments_become_attributes() {
    for (members, want) in [
        ("", json!({})),
        (
            r#","namespace":"remote","http":{"request":{"method":"POST","url":"http://h/a","traced":true},
            "response":{"status":429,"content_length":12}},"error":true,"throttle":true"#,
            json!({
                "http.request.method": "POST", "http.method": "POST", "url.full": "http://h/a",
                "http.url": "http://h/a", "http.response.status_code": 429, "http.status_code": 429,
                "http.response.body.size": 12, "http.response_content_length": 12, "peer.service": "db",
                "aws.xray.traced": true, "aws.xray.flags": ["error", "throttle"],
            }),
        ),
        (r#","namespace":"remote","traced":false"#, json!({"peer.service": "db", "aws.xray.traced": false})),
        (
            r#","namespace":"aws","aws":{"operation":"GetItem","region":"eu-west-1","request_id":"R","retries":1,
            "account_id":"123","table_name":"orders","consistent_read":true,"consumed_capacity":{"Units": 0.5}}"#,
            json!({
                "rpc.system": "aws-api", "rpc.service": "db", "aws.service": "db", "aws.operation": "GetItem",
                "rpc.method": "GetItem", "aws.region": "eu-west-1", "aws.request_id": "R", "aws.xray.retries": 1,
                "aws.account_id": "123", "aws.table_name": "orders", "aws.dynamodb.table_names": ["orders"],
                "aws.consistent_read": true, "aws.consumed_capacity": r#"{"Units": 0.5}"#,
            }),
        ),
        (
            r#","namespace":"aws","aws":{"operation":"PutObject","bucket_name":"photos","key":"cat","queue_url":"q",
            "topic_arn":"t","resource_names":["a","b"]}"#,
            json!({
                "rpc.system": "aws-api", "rpc.service": "db", "aws.service": "db", "aws.operation": "PutObject",
                "rpc.method": "PutObject", "aws.s3.bucket": "photos", "aws.s3.key": "cat", "aws.queue_url": "q",
                "aws.sqs.queue.url": "q", "aws.sns.topic.arn": "t", "aws.resource_names": ["a", "b"],
            }),
        ),
        (
            r#","namespace":"remote","sql":{"url":"postgresql://h:5432/shop","database_type":"PostgreSQL","user":"app",
            "sanitized_query":"SELECT ?","database_version":"15","driver_version":"0.8","preparation":"statement"}"#,
            json!({
                "peer.service": "db", "db.connection_string": "postgresql://h:5432", "db.name": "shop",
                "db.namespace": "shop", "db.system": "postgresql", "db.system.name": "postgresql",
                "db.statement": "SELECT ?", "db.query.text": "SELECT ?", "db.user": "app", "db.version": "15",
                "db.driver.version": "0.8", "db.preparation": "statement",
            }),
        ),
        (
            r#","sql":{"url":"mysql://h/shop"}"#,
            json!({
                "peer.service": "db", "db.connection_string": "mysql://h", "db.name": "shop", "db.namespace": "shop",
                "db.system": "mysql", "db.system.name": "mysql",
            }),
        ),
        (
            r#","sql":{"connection_string":"h","database_type":"SQLite"}"#,
            json!({
                "peer.service": "db", "db.connection_string": "h", "db.system": "sqlite", "db.system.name": "sqlite",
            }),
        ),
    ] {
        assert_eq!(plain(&spans(&map(&[document("", members)]))[1]["attributes"]), want, "{members}");
    }
}

#[test]
fn platforms_are_resources() {
    let aws = |members: &str, origin: &str| format!(r#","origin":"{origin}","aws":{{{members}}}"#);
    for (members, want) in [
        (String::new(), json!({})),
        (
            r#","aws":{"xray":{"sdk":"X-Ray for Node.js","sdk_version":"3"}},"service":{"version":"1.2",
            "runtime":"rustc","runtime_version":"1.95"},"resource_arn":"arn:r""#
                .to_owned(),
            json!({
                "telemetry.sdk.name": "X-Ray for Node.js", "telemetry.sdk.version": "3",
                "telemetry.sdk.language": "nodejs", "service.version": "1.2", "process.runtime.name": "rustc",
                "process.runtime.version": "1.95", "aws.xray.resource_arn": "arn:r",
            }),
        ),
        (
            aws(
                r#""account_id":"123","ec2":{"instance_id":"i","availability_zone":"z","instance_size":"t","ami_id":"a"}"#,
                "AWS::EC2::Instance",
            ),
            json!({
                "cloud.provider": "aws", "cloud.platform": "aws_ec2", "cloud.account.id": "123", "host.id": "i",
                "cloud.availability_zone": "z", "host.type": "t", "host.image.id": "a",
            }),
        ),
        (
            aws(r#""ecs":{"container":"c","container_id":"d","container_arn":"e","weight":1}"#, "AWS::ECS::Fargate"),
            json!({
                "cloud.provider": "aws", "cloud.platform": "aws_ecs", "aws.ecs.launchtype": "fargate",
                "container.name": "c", "container.id": "d", "aws.ecs.container.arn": "e", "aws.ecs.weight": 1,
            }),
        ),
        (
            aws(r#""eks":{"cluster_name":"k","pod":"p","container_id":"d"}"#, "AWS::EKS::Container"),
            json!({
                "cloud.provider": "aws", "cloud.platform": "aws_eks", "k8s.cluster.name": "k", "k8s.pod.name": "p",
                "container.id": "d",
            }),
        ),
        (
            aws(
                r#""elastic_beanstalk":{"environment_name":"prod","version_label":"v","deployment_id":32}"#,
                "AWS::ElasticBeanstalk::Environment",
            ),
            json!({
                "cloud.provider": "aws", "cloud.platform": "aws_elastic_beanstalk", "service.namespace": "prod",
                "service.version": "v", "service.instance.id": "32",
            }),
        ),
        (
            r#","aws":{"cloudwatch_logs":[{"log_group":"a","arn":"arn:a"},{"log_group":"b"}],"rack":{"unit":7}}"#
                .to_owned(),
            json!({
                "aws.log.group.names": ["a", "b"], "aws.log.group.arns": ["arn:a"], "aws.rack": r#"{"unit":7}"#,
            }),
        ),
    ] {
        let mut got = plain(&group(&map(&[document(&members, "")]))["resource"]["attributes"]);
        assert_eq!(got.as_object_mut().unwrap().remove("service.name"), Some("shop".into()));
        assert_eq!(got, want, "{members}");
    }
}

#[test]
fn flags_set_the_status_except_for_4xx_responses_of_a_server() {
    let refusal = r#","error":true,"http":{"response":{"status":404}}"#;
    let cause = r#","cause":{"exceptions":[{"id":"00000000000000e1","message":"no"},{"id":"00000000000000e2"}]}"#;
    for (members, on_segment, on_subsegment) in [
        ("", None, None),
        (r#","fault":true"#, Some(""), Some("")),
        (r#","error":true"#, Some(""), Some("")),
        (refusal, None, Some("")),
        (r#","fault":true,"http":{"response":{"status":500}}"#, Some(""), Some("")),
        (cause, Some("no"), Some("no")),
        (r#","fault":true,"cause":"00000000000000e1""#, Some("00000000000000e1"), Some("00000000000000e1")),
    ] {
        for (want, index) in [(on_segment, 0), (on_subsegment, 1)] {
            let mapped = map(&[if index == 0 { document(members, "") } else { document("", members) }]);
            let status = mapped.request.resource_spans[0].scope_spans[0].spans[index].status.clone();
            let want = want.map(|message| Status { message: message.to_owned(), code: ERROR });
            assert_eq!(status, want, "{members} {index}");
        }
    }
}

#[test]
fn exceptions_are_events() {
    let members = r#","fault":true,"cause":{"working_directory":"/app","paths":["a"],"exceptions":[
        {"id":"00000000000000e1","type":"Timeout","message":"late","remote":true,"truncated":2,"skipped":1,
        "cause":"00000000000000e2","stack":[{"label":"f","path":"a.rs","line":7},{"label":"g","path":"b.rs"}]},
        {"id":"00000000000000e2"}]}"#;
    let span = &spans(&map(&[document("", members)]))[1];
    assert_eq!(plain(&span["attributes"])["aws.xray.cause.working_directory"], "/app");
    let events: Vec<_> = span["events"].as_array().unwrap().iter().map(|event| plain(&event["attributes"])).collect();
    let first = json!({
        "exception.type": "Timeout", "exception.message": "late",
        "exception.stacktrace": "Timeout: late\n\tat f(a.rs:7)\n\tat g(b.rs)\n",
        "aws.xray.exception.id": "00000000000000e1", "aws.xray.exception.remote": true,
        "aws.xray.exception.truncated": 2, "aws.xray.exception.skipped": 1,
        "aws.xray.exception.cause": "00000000000000e2",
    });
    assert_eq!(events, [first, json!({"aws.xray.exception.id": "00000000000000e2"})]);
    assert_eq!(span["events"][0]["timeUnixNano"], span["endTimeUnixNano"]);
    assert_eq!(span["events"][0]["name"], "exception");
}

#[test]
fn links_and_precursors_are_links() {
    let members = r#","precursor_ids":["00000000000000a1"],"links":[{"trace_id":"1-5759e988-000000000000000000000001",
        "id":"00000000000000b1","attributes":{"n":1}},{"trace_id":"no","id":"no"}]"#;
    let links = spans(&map(&[document("", members)]))[1]["links"].clone();
    let links: Vec<_> = links.as_array().unwrap().iter().collect();
    assert_eq!(links.len(), 2);
    assert_eq!(
        (&links[0]["traceId"], &links[0]["spanId"]),
        (&json!("5759e988000000000000000000000001"), &json!("00000000000000b1"))
    );
    assert_eq!(plain(&links[0]["attributes"]), json!({"n": 1}));
    assert_eq!(links[1]["spanId"], "00000000000000a1");
    assert_eq!(plain(&links[1]["attributes"]), json!({"aws.xray.link": "precursor"}));
}

/// Returns the document of a streamed subsegment.
fn part(trace: &str, id: &str, end: &str) -> String {
    format!(
        r#"{{"type":"subsegment","name":"part","id":"{id}","trace_id":"1-5759e988-{trace}",
        "parent_id":"53995c3f42cd8ad8","start_time":1{end}}}"#
    )
}

#[test]
fn a_streamed_subsegment_belongs_to_the_service_of_its_segment_or_of_the_last_one() {
    let (this, other) = ("bd862e3fe1be46a994272793", "000000000000000000000001");
    let end = r#","end_time":2"#;
    let mut mapper = Mapper::new("fallback");
    let mut names = |documents: &[String]| {
        let mapped = mapper.map(documents.iter().map(String::as_str));
        let groups = mapped.request.resource_spans.iter().map(|group| {
            let group = serde_json::to_value(group).unwrap();
            let name = plain(&group["resource"]["attributes"])["service.name"].as_str().unwrap().to_owned();
            (name, group["scopeSpans"][0]["spans"].as_array().unwrap().len())
        });
        groups.collect::<Vec<_>>()
    };
    let named = |name: &str, spans| (name.to_owned(), spans);
    assert_eq!(names(&[part(other, "00000000000000a1", end)]), [named("fallback", 1)]);
    assert_eq!(names(&[part(this, "00000000000000a2", end), document("", "")]), [named("shop", 3)]);
    assert_eq!(names(&[part(other, "00000000000000a3", end)]), [named("shop", 1)]);
    let second = document("", "").replace("shop", "second").replace(this, other);
    assert_eq!(
        names(&[document("", ""), second, part(this, "00000000000000a4", end)]),
        [named("shop", 3), named("second", 2)]
    );
}

#[test]
fn an_entity_in_progress_is_left_out_and_its_finished_children_are_spans() {
    let open = document("", "").replace(r#""end_time":1795399783"#, r#""in_progress":true"#);
    let mapped = map(&[open, part("bd862e3fe1be46a994272793", "00000000000000a1", r#","in_progress":true"#)]);
    assert!(matches!(mapped.spans[..], [Ok(1), Ok(0)]));
    let spans = spans(&mapped);
    assert_eq!(
        (spans.len(), &spans[0]["name"], &spans[0]["parentSpanId"]),
        (1, &json!("db"), &json!("53995c3f42cd8ad8"))
    );
}

#[test]
fn an_invalid_document_affects_no_other() {
    let good = document("", "");
    for bad in [
        "",
        "{}",
        "[1]",
        &good.replace(r#""trace_id""#, r#""trace""#),
        &good.replace("1-5759e988-", "5759e988"),
        &good.replace("1-5759e988-b", "1-5759e988-é"),
        &good.replace("53995c3f42cd8ad8", "53995c3f42cd8ad"),
        &good.replace("0000000000000002", "x000000000000002"),
        &good.replace("1795399782.6", "\"soon\""),
    ] {
        let mapped = map(&[bad.to_owned(), good.clone()]);
        assert!(matches!(mapped.spans[..], [Err(_), Ok(2)]), "{bad}");
        assert_eq!(spans(&mapped).len(), 2);
    }
}

#[test]
fn depth_costs_no_stack() {
    let mut inner = String::new();
    for n in (1..700).rev() {
        inner = format!(r#"{{"name":"n","id":"{n:016x}","start_time":1,"end_time":2,"subsegments":[{inner}]}}"#);
    }
    let document = document(&format!(r#","metadata":{{"m":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000)), "");
    let document = document.replace(r#""subsegments":["#, &format!(r#""subsegments":[{inner},"#));
    let thread = thread::Builder::new().stack_size(256 << 10);
    let count = thread.spawn(move || map(&[document]).spans.pop().unwrap().unwrap()).unwrap().join().unwrap();
    assert_eq!(count, 701);
}

/// Returns the repository's recorded documents, by the name of their scenario.
fn goldens() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let golden: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, golden["datagrams"].as_array().cloned().unwrap_or_default())
    };
    files.iter().map(read).collect()
}

/// Records many traces on several threads, with entities that begin, end, are announced or stay open in random order,
/// and returns the documents. Some subsegments are streamed.
fn stress() -> Vec<Value> {
    let documents = MemoryEmitter::new();
    let recorder = Recorder::builder().environment(|_| None).sampling(Always).streaming_threshold(6);
    let recorder = recorder.seed(7).emitter(documents.clone()).build().unwrap();
    let seeds = Arc::new(Mutex::new(0_u64));
    let trace = |recorder: &Recorder, seed: u64| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let segment = recorder.begin("stress");
        let mut open: Vec<Subsegment> = Vec::new();
        for n in 0..random(60) {
            let parent: Handle = match open.is_empty() || random(3) == 0 {
                true => segment.entity(),
                false => open[random(open.len() as u64) as usize].entity(),
            };
            let child = parent.subsegment(format!("step {n}"));
            child.annotate("n", n).metadata("state", &json!({"n": n, "text": "a\"b\n"}));
            match random(8) {
                0 => drop(child.fault("it failed")),
                1 => drop(child.announce()),
                2 => drop(child.error("it was wrong")),
                _ => {}
            }
            open.push(child);
            while open.len() > 1 && random(2) == 0 {
                open.swap_remove(random(open.len() as u64) as usize).close();
            }
        }
        if random(4) == 0 {
            segment.announce();
        }
        segment.close();
        // Some close after their segment.
        open.drain(..).for_each(|subsegment| subsegment.close());
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let seed = {
                        let mut seeds = seeds.lock().unwrap();
                        *seeds += 1;
                        *seeds
                    };
                    if seed > 200 {
                        return;
                    }
                    trace(&recorder, seed);
                }
            });
        }
    });
    documents.take().iter().map(|document| serde_json::from_str(document.json()).unwrap()).collect()
}

/// Returns the place and name of each finished entity in documents.
fn entities(document: &Value) -> Vec<(String, String, String, String)> {
    fn walk(entity: &Value, trace: &str, parent: &str, found: &mut Vec<(String, String, String, String)>) {
        let text = |key: &str| entity[key].as_str().unwrap_or_default().to_owned();
        if entity.get("end_time").is_some() {
            found.push((trace.to_owned(), parent.to_owned(), text("id"), text("name")));
        }
        for child in entity["subsegments"].as_array().into_iter().flatten() {
            walk(child, trace, &text("id"), found);
        }
    }
    let mut found = Vec::new();
    let trace = document["trace_id"].as_str().unwrap().replace('-', "");
    walk(document, &trace[1..], document["parent_id"].as_str().unwrap_or_default(), &mut found);
    found
}

/// Returns the place and name of each span in a decoded request.
fn decoded(request: &[u8]) -> Vec<(String, String, String, String)> {
    let groups = ExportRequest::decode(request).unwrap().resource_spans;
    let spans = groups.iter().flat_map(|group| &group.scope_spans[0].spans);
    let span = |span: &Span| {
        let span = serde_json::to_value(span).unwrap();
        let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
        (text("traceId"), text("parentSpanId"), text("spanId"), text("name"))
    };
    spans.map(span).collect()
}

#[test]
fn every_recorded_entity_is_one_span() {
    let mut all = goldens();
    assert!(all.len() > 40);
    all.push(("stress".to_owned(), stress()));
    for (name, documents) in all {
        let texts: Vec<_> = documents.iter().map(Value::to_string).collect();
        let mapped = map(&texts);
        assert!(mapped.spans.iter().all(Result::is_ok), "{name}: {:?}", mapped.spans);
        let mut want: Vec<_> = documents.iter().flat_map(entities).collect();
        let mut got = decoded(&mapped.request.encode_to_vec());
        want.sort();
        got.sort();
        assert_eq!(got, want, "{name}");
        let ids: HashSet<_> = got.iter().map(|(trace, _, id, _)| (trace, id)).collect();
        assert_eq!(ids.len(), got.len(), "{name}: a span occurs twice");
    }
}

/// The variable with the path of a Python that has the package `opentelemetry-proto`. `.ci/run` installs it and sets the
/// variable.
const PYTHON: &str = "XRAY_TEST_OTLP_PYTHON";

#[test]
fn opentelemetrys_python_classes_read_every_request_to_the_same_tree() {
    let Some(python) = std::env::var_os(PYTHON) else {
        assert!(std::env::var_os("CI").is_none(), "{PYTHON} is not set");
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "skipped: {PYTHON} names no Python that has opentelemetry-proto");
        return;
    };
    let folder = std::env::temp_dir().join(format!("xray-otlp-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut all = goldens();
    all.push(("stress".to_owned(), stress()));
    for (name, documents) in &all {
        let texts: Vec<_> = documents.iter().map(Value::to_string).collect();
        let request = map(&texts).request;
        fs::write(folder.join(format!("{name}.documents.json")), Value::from(documents.clone()).to_string()).unwrap();
        fs::write(folder.join(format!("{name}.pb")), request.encode_to_vec()).unwrap();
        fs::write(folder.join(format!("{name}.otlp.json")), serde_json::to_vec(&request).unwrap()).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readback.py");
    let output = Command::new(python).arg(script).arg(&folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("{} requests", 2 * all.len())), "{text}");
    fs::remove_dir_all(folder).unwrap();
}
