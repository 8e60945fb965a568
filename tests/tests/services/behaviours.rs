//! The response of each route and everything that is recorded for it.

use serde_json::{Value, json};
use xray_tests::daemon::Daemon;
use xray_tests::diff::diff;
use xray_tests::forest::Forest;
use xray_tests::http::Response;

use crate::service::{HOST, Service, TIMEOUT, for_each_framework};

/// A request, its expected response, and the documents of its trace.
struct Behaviour {
    method: &'static str,
    target: &'static str,
    /// The accepted responses. `None` means that the connection ends without one.
    responses: Vec<Option<(u16, &'static str)>>,
    /// The number of documents.
    documents: usize,
    /// Returns all trees, normalised, for the status of the response if several are accepted.
    recorded: Box<dyn Fn(Option<u16>) -> Value>,
}

/// Returns every behaviour of a service. They are the same for all frameworks.
fn behaviours(service: &Service) -> Vec<Behaviour> {
    let called = format!("http://{}/ok", service.address());
    let mut all = vec![
        get("/ok", 200, "ok", json!({})),
        Behaviour { method: "POST", ..get("/ok", 200, "ok", json!({"http": {"request": {"method": "POST"}}})) },
        Behaviour {
            method: "HEAD",
            responses: vec![Some((200, ""))],
            ..get("/ok", 200, "ok", json!({"http": {"request": {"method": "HEAD"}}}))
        },
        get("/status/204", 204, "", json!({"http": {"response": {"content_length": null}}})),
        get("/status/404", 404, "", json!({"error": true})),
        get("/status/429", 429, "", json!({"error": true, "throttle": true})),
        get("/status/500", 500, "", json!({"fault": true})),
        get("/nowhere", 404, "", json!({"error": true})),
        get("/error", 500, "broken", json!({"fault": true, "cause": cause(1, &[("ServiceError", "broken")])})),
        Behaviour {
            responses: vec![None, Some((500, ""))],
            ..get(
                "/panic",
                500,
                "",
                json!({"fault": true, "cause": cause(1, &[("panic", "boom")]), "http": {"response": null}}),
            )
        },
        get("/stream/3/1", 200, STREAMED, json!({"http": {"response": {"content_length": null}}})),
        get(
            "/nest/3",
            200,
            "ok",
            json!({"subsegments": [subsegment(2, "1", json!({"subsegments": [
                subsegment(3, "2", json!({"subsegments": [subsegment(4, "3", json!({"annotations": {"depth": 3}}))]}))
            ]}))]}),
        ),
        get("/fan/3", 200, "ok", json!({"subsegments": several("child", 3)})),
        get("/seq/3", 200, "ok", json!({"subsegments": several("step", 3)})),
        // The segment is sent with the leaked subsegment in progress; the subsegment is sent on its own later.
        Behaviour { documents: 2, ..get("/leak", 200, "ok", json!({"subsegments": several_named(&["leaked"])})) },
        get(
            "/metadata/5",
            200,
            "ok",
            json!({"subsegments": [subsegment(2, "big", json!({"metadata": {"default": {"text": "xxxxx"}}}))]}),
        ),
        get(
            "/fail/job",
            200,
            "handled",
            json!({"subsegments": [subsegment(2, "job", json!({
                "fault": true,
                "cause": cause(2, &[("BadNumber", "not a number"), ("ParseIntError", "invalid digit found in string")]),
            }))]}),
        ),
        get("/manual", 200, "ok", json!({"subsegments": several_named(&["by-hand"])})),
        Behaviour { documents: 0, recorded: Box::new(|_| json!([])), ..get("/health", 200, "ok", json!({})) },
        timeout(),
    ];
    all.extend(["reqwest", "hyper"].map(|client| out(client, &called)));
    all.extend(["reqwest", "hyper"].map(refused));
    all
}

const STREAMED: &str = {
    const BYTES: [u8; 3 * 1024] = [b'.'; 3 * 1024];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

/// Returns a GET request with one response and one document. `more` is merged into the members of every segment.
fn get(target: &'static str, status: u16, body: &'static str, more: Value) -> Behaviour {
    let path = target.split('?').next().unwrap_or(target);
    let mut segment = json!({
        "name": "shop", "id": "id-1", "trace_id": "trace-1", "start_time": "TIME", "end_time": "TIME",
        "http": {
            "request": {"method": "GET", "url": format!("http://{HOST}{path}"), "client_ip": "127.0.0.1"},
            "response": {"status": status, "content_length": body.len()},
        },
    });
    merge(&mut segment, more);
    let recorded = Box::new(move |_| json!([segment]));
    Behaviour { method: "GET", target, responses: vec![Some((status, body))], documents: 1, recorded }
}

/// Returns a request that times out. Any status for a timeout is accepted, with its flag.
fn timeout() -> Behaviour {
    let responses = [408, 503, 504].map(|status| Some((status, ""))).to_vec();
    let recorded = |status: Option<u16>| {
        let status = status.unwrap_or_default();
        let flag = if status < 500 { "error" } else { "fault" };
        (get("/timeout", status, "", json!({flag: true})).recorded)(None)
    };
    Behaviour { responses, recorded: Box::new(recorded), ..get("/timeout", 408, "", json!({})) }
}

/// Returns a request for which the service calls itself and continues the trace.
fn out(client: &str, url: &str) -> Behaviour {
    let target: &'static str = format!("/out/{client}?url={}", url.replace(':', "%3A")).leak();
    let call = subsegment(
        2,
        "127.0.0.1",
        json!({"namespace": "remote", "http": {
            "request": {"method": "GET", "url": "http://127.0.0.1:PORT/ok"},
            "response": {"status": 200, "content_length": 2},
        }}),
    );
    let caller = get(target, 200, r#"{"status":200}"#, json!({"subsegments": [call]}));
    let called = get(
        "/ok",
        200,
        "ok",
        json!({
            "id": "id-3", "parent_id": "id-2", "http": {"request": {"url": "http://127.0.0.1:PORT/ok"}},
        }),
    );
    let recorded = move |status| json!([(caller.recorded)(status)[0], (called.recorded)(status)[0]]);
    Behaviour { documents: 2, recorded: Box::new(recorded), ..get(target, 200, r#"{"status":200}"#, json!({})) }
}

/// Returns a request for which the service calls port 1, where no server listens. The error message comes from the
/// client's libraries and is not compared.
fn refused(client: &str) -> Behaviour {
    let target: &'static str = format!("/out/{client}?url=http://127.0.0.1:1/x").leak();
    let call = subsegment(
        2,
        "127.0.0.1",
        json!({
            "namespace": "remote", "fault": true, "cause": "ANY",
            "http": {"request": {"method": "GET", "url": "http://127.0.0.1:PORT/x"}},
        }),
    );
    let length = json!({"response": {"content_length": "ANY"}});
    let responses = vec![Some((200, "ANY"))];
    Behaviour { responses, ..get(target, 200, "ANY", json!({"subsegments": [call], "http": length})) }
}

fn subsegment(number: usize, name: &str, more: Value) -> Value {
    let mut subsegment = json!({"name": name, "id": format!("id-{number}"), "start_time": "TIME", "end_time": "TIME"});
    merge(&mut subsegment, more);
    subsegment
}

fn several(name: &str, n: usize) -> Value {
    several_named(&(0..n).map(|i| format!("{name}-{i}")).collect::<Vec<_>>())
}

fn several_named(names: &[impl AsRef<str>]) -> Value {
    (2..).zip(names).map(|(number, name)| subsegment(number, name.as_ref(), json!({}))).collect()
}

/// Returns the cause of the entity with this number. Its exceptions have these types and messages, and each is caused
/// by the next.
fn cause(entity: usize, exceptions: &[(&str, &str)]) -> Value {
    let all = (1..).zip(exceptions).map(|(number, (kind, message))| {
        let mut exception =
            json!({"id": format!("exception-{entity}.{number}"), "type": kind, "message": message, "remote": false});
        if number < exceptions.len() {
            exception["cause"] = format!("exception-{entity}.{}", number + 1).into();
        }
        exception
    });
    json!({"exceptions": all.collect::<Vec<_>>()})
}

/// Merges the members of `more` recursively; null removes a member.
fn merge(value: &mut Value, more: Value) {
    match (value, more) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, more) in more {
                match more {
                    Value::Null => drop(members.remove(&name)),
                    more => merge(members.entry(name).or_insert(Value::Null), more),
                }
            }
        }
        (value, more) => *value = more,
    }
}

/// Replaces values with `ANY` where the expected value is `ANY`.
fn excuse(got: &mut Value, want: &Value) {
    match (got, want) {
        (got, Value::String(any)) if any == "ANY" => *got = "ANY".into(),
        (Value::Object(got), Value::Object(want)) => {
            for (name, want) in want {
                if let Some(got) = got.get_mut(name) {
                    excuse(got, want);
                }
            }
        }
        (Value::Array(got), Value::Array(want)) => got.iter_mut().zip(want).for_each(|(got, want)| excuse(got, want)),
        _ => {}
    }
}

impl Behaviour {
    fn check(&self, service: &Service, daemon: &Daemon) -> Vec<String> {
        let response = service.try_request(self.method, self.target).ok();
        let mut problems = Vec::new();
        if !self.responses.iter().any(|want| matches(*want, response.as_ref())) {
            problems.push(format!("got {response:?}, expected one of {:?}", self.responses));
        }
        daemon.documents(self.documents, TIMEOUT);
        let forest = Forest::of(&daemon.take());
        problems.extend(forest.problems().iter().cloned());
        let want = (self.recorded)(response.as_ref().map(Response::status));
        let mut got = forest.to_json();
        excuse(&mut got, &want);
        problems.extend(diff(&want, &got).iter().map(ToString::to_string));
        problems.iter().map(|problem| format!("{} {}: {problem}", self.method, self.target)).collect()
    }
}

fn matches(want: Option<(u16, &str)>, got: Option<&Response>) -> bool {
    match (want, got) {
        (None, None) => true,
        (Some((status, body)), Some(got)) => got.status() == status && (body == "ANY" || got.text() == body),
        _ => false,
    }
}

#[test]
fn every_route_responds_and_is_recorded_as_expected() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let problems: Vec<_> =
            behaviours(&service).iter().flat_map(|behaviour| behaviour.check(&service, &daemon)).collect();
        service.stop();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert_eq!(daemon.take().len(), 0, "no further documents");
        daemon.assert_valid();
    });
}

#[test]
fn annotations_metadata_and_user_are_recorded() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let trace_id = service.get("/annotate/7").text();
        let document = daemon.documents(1, TIMEOUT).remove(0);
        let want = get(
            "/annotate/7",
            200,
            "",
            json!({
                "annotations": {"value": "7"}, "metadata": {"ns": {"info": {"value": "7"}}}, "user": "user-7",
                "http": {"response": {"content_length": trace_id.len()}},
            }),
        );
        assert_eq!(document.json()["trace_id"], trace_id);
        xray_tests::diff::assert_same(&(want.recorded)(None), &Forest::of(&[document]).to_json());
        daemon.assert_valid();
    });
}
