//! The data of the page, and who may read it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use xray_local::{Receiver, SamplingRules, Store};

use crate::http::{call, connect, exchange, post};
use crate::tree::{TRACE, datagram, document};

fn receiver() -> Receiver {
    Receiver::builder().settle_time(Duration::ZERO).bind("127.0.0.1:0").unwrap()
}

fn get(address: SocketAddr, target: &str) -> (u16, Value) {
    let (status, body) = exchange(address, format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n"));
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

fn ok(address: SocketAddr, target: &str) -> Value {
    let (status, body) = get(address, target);
    assert_eq!(status, 200, "{target}: {body}");
    body
}

/// Adds a trace of one segment with a call to DynamoDB.
fn add(store: &Store, number: u64, members: &str) {
    let start = 1_480_615_200 + number;
    store
        .accept(&datagram(&format!(
            r#"{{"trace_id":"1-{start:08x}-{number:024x}","id":"{number:016x}","name":"shop","start_time":{start},
            "end_time":{start}.{number:03},"http":{{"request":{{"method":"GET","url":"http://shop/{number}"}},
            "response":{{"status":200}}}},"subsegments":[{{"id":"{:016x}","name":"DynamoDB","namespace":"aws",
            "start_time":{start},"end_time":{start}.001,"aws":{{"operation":"GetItem","table_name":"orders"}}}}]{members}}}"#,
            number + 1_000
        )))
        .unwrap();
}

#[test]
fn a_list_has_pages_that_fit_together_in_each_order() {
    let receiver = receiver();
    for number in 1..=7 {
        add(receiver.store(), number, "");
    }
    for (sort, want) in [
        ("", [7, 6, 5, 4, 3, 2, 1]),
        ("time", [1, 2, 3, 4, 5, 6, 7]),
        ("-response", [7, 6, 5, 4, 3, 2, 1]),
        ("status", [1, 2, 3, 4, 5, 6, 7]),
        ("-entities", [7, 6, 5, 4, 3, 2, 1]),
    ] {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = ok(receiver.address(), &format!("/api/traces?sort={sort}&limit=3&cursor={cursor}"));
            assert_eq!((page["matched"].as_u64(), page["scanned"].as_u64()), (Some(7), Some(7)));
            let rows = page["rows"].as_array().unwrap();
            seen.extend(rows.iter().map(|row| row["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!((seen, pages), (want.map(|number| number.to_string()).into(), 3), "{sort}");
    }
}

#[test]
fn a_row_and_the_facets_summarize_traces() {
    let receiver = receiver();
    add(receiver.store(), 1, r#","fault":true,"user":"ann","annotations":{"tier":"gold"}"#);
    add(receiver.store(), 2, "");
    assert!(receiver.wait_for(2, Duration::from_secs(10)));
    let page = ok(receiver.address(), "/api/traces?sort=time&timeRange=2016-12-01T18:00:00Z~2016-12-01T18:00:02Z");
    let trace = "1-58406521-000000000000000000000001";
    assert_eq!(
        page["rows"],
        json!([{
            "id": trace, "sequence": 1, "revision": 1, "start": 1_480_615_201_000_000_u64, "response": 1_000,
            "duration": 1_000, "status": 200, "flags": 1 + 32 + 64, "method": "GET", "url": "http://shop/1", "name": 0,
            "services": [0, 1], "entities": 2, "repeats": 0,
        }])
    );
    assert_eq!(page["names"], json!(["shop", "orders"]));
    assert_eq!(
        page["facets"],
        json!({
            "latency": [[1_000, 1]], "status": {"2xx": 1}, "service": {"shop": 1, "orders": 1}, "user": {"ann": 1},
            "url": {"http://shop/1": 1}, "annotation": {"tier": {"\"gold\"": 1}}, "outcome": {"fault": 1}, "minute": [[1_480_615_200_000_000_u64, 1, 1]],
        })
    );
    let skeleton = ok(receiver.address(), &format!("/api/traces/{trace}"));
    assert_eq!(
        skeleton["entities"],
        json!({
            "id": ["0000000000000001", "00000000000003e9"], "depth": [0, 1], "end": [2, 2], "start": [0, 0],
            "duration": [1_000, 1_000], "flags": [1, 0], "kind": [0, 3], "name": [0, 2], "signature": [0, 1],
            "status": [200, 0], "action": [1, 3], "segment": [0, 0],
        })
    );
    assert_eq!(skeleton["names"], json!(["shop", "GET http://shop/1", "DynamoDB", "GetItem"]));
    assert_eq!((&skeleton["skews"], &skeleton["critical"]), (&json!([]), &json!([[1, 0, 1_000]])));
    let entity = ok(receiver.address(), &format!("/api/traces/{trace}/entities/00000000000003e9"));
    assert_eq!(entity["aws"]["table_name"], "orders");
    for missing in ["/api/traces/1-2", "/api/traces/1-58406521-00000000000000000000ffff", "/api/traces/x/entities/1"] {
        assert_eq!(get(receiver.address(), missing).0, 404, "{missing}");
    }
}

#[test]
fn documents_are_listed_as_they_arrived() {
    let receiver = receiver();
    let open = document(1, "job", r#","start_time":1,"in_progress":true"#);
    let done = document(1, "job", r#","start_time":1,"end_time":2"#);
    let part =
        document(2, "step", r#","parent_id":"0000000000000001","type":"subsegment","start_time":1,"end_time":2"#);
    for datagram in [&open, &done, &open, &part, &done] {
        receiver.store().accept(datagram).unwrap();
    }
    let list = ok(receiver.address(), &format!("/api/traces/{TRACE}/documents"));
    let list: Vec<_> = list["documents"].as_array().unwrap().iter().collect();
    let described: Vec<_> = list.iter().map(|it| json!([it["kind"], it["repeated"], it["entities"][0][2]])).collect();
    assert_eq!(
        described,
        [json!(["in progress", 1, "new"]), json!(["segment", 1, "updated"]), json!(["subsegment", 0, "new"])]
    );
    assert_eq!(
        list[0]["text"].as_str().unwrap().as_bytes(),
        &open[open.iter().position(|b| *b == b'\n').unwrap() + 1..]
    );
}

#[test]
fn invalid_parameters_are_named() {
    let receiver = receiver();
    for (target, want) in [
        (
            "/api/traces?timeRange=now",
            "`timeRange` is invalid: expected a duration such as PT15M, or START~END in ISO 8601",
        ),
        ("/api/traces?limit=x", "`limit` is invalid: expected a number"),
        ("/api/traces?cursor=x", "`cursor` is invalid: expected `next` of another page"),
        ("/api/wait?count=x", "`count` is invalid: expected a number of traces"),
        ("/api/wait?timeout=x", "`timeout` is invalid: expected a time such as 5s or 500ms"),
    ] {
        assert_eq!(get(receiver.address(), target), (400, json!({ "message": want })), "{target}");
    }
    let (status, body) = get(receiver.address(), "/api/traces?filter=((");
    assert!(status == 400 && body["at"].is_u64() && body["message"].is_string(), "{body}");
}

#[test]
fn each_address_of_the_page_is_the_page() {
    let receiver = receiver();
    let (_, page) = get(receiver.address(), "/");
    assert!(page.as_str().unwrap().starts_with("<!doctype html>"));
    for target in
        ["/traces", "/traces/1-2/raw", "/compare?a=1&b=2", "/service-map", "/sampling/x", "/status", "/xray/home"]
    {
        assert_eq!(get(receiver.address(), target), (200, page.clone()), "{target}");
    }
    for target in ["/ui/missing.js", "/ui/../Cargo.toml", "/other", "/api/other"] {
        assert_eq!(get(receiver.address(), target).0, 404, "{target}");
    }
}

#[test]
fn a_known_page_is_not_sent_again() {
    let receiver = receiver();
    let head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let mut first = connect(receiver.address());
    first.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let lines: Vec<String> = BufReader::new(first).lines().map_while(Result::ok).collect();
    let header = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap();
    assert!(header("content-security-policy: ").contains("require-trusted-types-for 'script'"));
    assert_eq!((header("x-content-type-options: "), header("referrer-policy: ")), ("nosniff", "no-referrer"));
    let tag = header("etag: ");
    let (status, body) = exchange(receiver.address(), format!("{head}If-None-Match: {tag}\r\n\r\n"));
    assert_eq!((status, body.as_str()), (304, ""));
}

#[test]
fn the_files_of_a_version_are_kept() {
    let receiver = receiver();
    let (_, page) = get(receiver.address(), "/");
    let page = page.as_str().unwrap().to_owned();
    let script = page.split('"').find(|text| text.ends_with("/app.js")).unwrap();
    let version = script.strip_prefix("/ui/").and_then(|rest| rest.strip_suffix("/app.js")).unwrap();
    assert_eq!(version.len(), 16, "{script}");
    let cached = |target: &str| {
        let mut stream = connect(receiver.address());
        stream
            .write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.find_map(|line| line.strip_prefix("cache-control: ").map(str::to_owned)).unwrap()
    };
    assert_eq!(cached(script), "max-age=31536000, immutable");
    assert_eq!(cached("/ui/app.js"), "no-cache");
    assert_eq!(cached("/"), "no-cache");
    // A page that is still open when another version starts must not mix both.
    assert_eq!(get(receiver.address(), "/ui/0123456789abcdef/app.js").0, 404);
}

#[test]
fn files_are_compressed_for_clients_that_accept_it() {
    let receiver = receiver();
    let files = ["app.js", "styles/base.css", "index.html", "vendor/dagre/LICENSE"];
    for (codings, compressed) in
        [("gzip, deflate, br, zstd", true), ("br, gzip", true), ("gzip;q=0", false), ("", false)]
    {
        for file in files {
            let mut stream = connect(receiver.address());
            write!(stream, "GET /ui/{file} HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: {codings}\r\n\r\n").unwrap();
            let mut response = Vec::new();
            stream.read_to_end(&mut response).unwrap();
            let end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
            let (head, body) = (String::from_utf8_lossy(&response[..end]), &response[end + 4..]);
            assert!(head.contains("vary: accept-encoding"), "{head}");
            assert_eq!(head.contains("content-encoding: gzip"), compressed, "{codings:?}: {head}");
            let mut content = body.to_vec();
            if compressed {
                content.clear();
                GzDecoder::new(body).read_to_end(&mut content).unwrap();
            }
            let want = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").join(file)).unwrap();
            assert!(content == want, "{codings:?}: {file}");
        }
    }
}

#[test]
fn pages_of_other_sites_get_nothing() {
    let receiver = Receiver::builder().allow_host("viewer").bind("127.0.0.1:0").unwrap();
    let port = receiver.address().port();
    for (headers, want) in [
        ("Host: localhost".to_owned(), 200),
        (format!("Host: localhost:{port}"), 200),
        (format!("Host: app.localhost:{port}"), 200),
        (format!("Host: 127.0.0.1:{port}"), 200),
        (format!("Host: [::1]:{port}"), 200),
        ("Host: viewer:80".to_owned(), 200),
        ("Host: evil.example".to_owned(), 421),
        (format!("Host: 127.0.0.1.evil.example:{port}"), 421),
        ("Host: localhost.evil.example".to_owned(), 421),
        ("Host: 192.0.2.1".to_owned(), 421),
        ("Host: localhost\r\nOrigin: http://localhost".to_owned(), 200),
        ("Host: localhost\r\nOrigin: http://evil.example".to_owned(), 403),
        ("Host: localhost\r\nOrigin: null".to_owned(), 403),
        (format!("Host: localhost:{port}\r\nOrigin: http://localhost:{}", port ^ 1), 403),
        ("Host: localhost\r\nSec-Fetch-Site: same-origin".to_owned(), 200),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site".to_owned(), 403),
        ("Host: localhost\r\nSec-Fetch-Site: same-site".to_owned(), 403),
    ] {
        for request in ["GET /api/traces", "POST /GetSamplingRules", "DELETE /api/traces"] {
            let bytes = format!("{request} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
            assert_eq!(exchange(receiver.address(), bytes).0, want, "{request} {headers}");
        }
    }
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let receiver = receiver();
    let (address, port) = (receiver.address(), receiver.address().port());
    add(receiver.store(), 1, "");
    let state = || {
        let calls = ["/GetSamplingRules", "/Groups", "/SamplingStatisticSummaries"];
        let mut state: Vec<Value> = calls.iter().map(|path| call(address, path, &json!({}))).collect();
        state.push(ok(address, "/api/export"));
        state.push(json!(receiver.store().stats().datagrams));
        state
    };
    let before = state();
    let rule = json!({ "RuleName": "evil", "Priority": 1, "FixedRate": 1, "ReservoirSize": 1 });
    let segment = format!(r#"{{"trace_id":"{TRACE}","id":"00000000000000aa","name":"a","start_time":1,"end_time":2}}"#);
    let report = json!({
        "RuleName": "Default", "ClientID": "0".repeat(24), "Timestamp": 1, "RequestCount": 9, "SampledCount": 9, "BorrowCount": 0,
    });
    let requests = [
        ("DELETE", "/api/traces", String::new()),
        ("POST", "/api/import", segment.clone()),
        ("POST", "/TraceSegments", json!({ "TraceSegmentDocuments": [segment] }).to_string()),
        ("POST", "/CreateSamplingRule", json!({ "SamplingRule": rule }).to_string()),
        (
            "POST",
            "/UpdateSamplingRule",
            json!({ "SamplingRuleUpdate": { "RuleName": "Default", "FixedRate": 1 } }).to_string(),
        ),
        ("POST", "/CreateGroup", json!({ "GroupName": "evil" }).to_string()),
        ("POST", "/SamplingTargets", json!({ "SamplingStatisticsDocuments": [report] }).to_string()),
    ];
    // As a page of another site sends it, which needs no permission for a body that it calls text.
    let foreign = [
        (format!("Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\nContent-Type: text/plain"), 403),
        (format!("Host: 127.0.0.1:{port}\r\nOrigin: null"), 403),
        (format!("Host: localhost:{port}\r\nOrigin: http://localhost:{}", port ^ 1), 403),
        (format!("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors"), 403),
        (format!("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: same-site"), 403),
        // A name of the other site that its server has rebound to this machine.
        (
            format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\nSec-Fetch-Site: same-origin"),
            421,
        ),
    ];
    for (method, path, body) in &requests {
        for (headers, want) in &foreign {
            let length = body.len();
            let bytes = format!(
                "{method} {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            assert_eq!(exchange(address, bytes).0, *want, "{method} {path} {headers}");
            assert_eq!(state(), before, "{method} {path} {headers}");
        }
    }
    // Each of them does something if it comes from the page itself.
    for (method, path, body) in requests.iter().rev() {
        let before = state();
        let length = body.len();
        let own = format!("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin");
        let bytes =
            format!("{method} {path} HTTP/1.1\r\n{own}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        assert_eq!(exchange(address, bytes).0, 200, "{method} {path}");
        assert_ne!(state(), before, "{method} {path}");
    }
}

#[test]
fn put_trace_segments_keeps_the_good_documents() {
    let receiver = receiver();
    let segment = |id: &str| format!(r#"{{"trace_id":"{TRACE}","id":"{id}","name":"a","start_time":1,"end_time":2}}"#);
    let subsegment = |id: &str, parent: &str| {
        segment(id).replacen('{', &format!(r#"{{"type":"subsegment","parent_id":"{parent}","#), 1)
    };
    let documents = json!([
        segment("000000000000000a"),
        format!(
            "[{},{}]",
            subsegment("000000000000000b", "000000000000000a"),
            subsegment("000000000000000c", "000000000000000a")
        ),
        "{}",
        "x",
        segment("0a"),
        segment("000000000000000d").replace(TRACE, "1-2-3"),
    ]);
    let answer = call(receiver.address(), "/TraceSegments", &json!({ "TraceSegmentDocuments": documents }));
    let codes =
        answer["UnprocessedTraceSegments"].as_array().unwrap().iter().map(|it| json!([it["Id"], it["ErrorCode"]]));
    assert_eq!(
        codes.collect::<Vec<_>>(),
        [
            json!([null, "MissingId"]),
            json!([null, "ParseError"]),
            json!(["0a", "InvalidId"]),
            json!(["000000000000000d", "InvalidTraceId"]),
        ]
    );
    assert_eq!(receiver.store().traces().iter().map(|trace| trace.len()).collect::<Vec<_>>(), [3]);
    let (status, body) = exchange(receiver.address(), post("/TraceSegments", r#"{"TraceSegmentDocuments":[1]}"#));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["__type"]), (400, &json!("InvalidRequestException")));
}

#[test]
fn an_export_can_be_imported_elsewhere() {
    let (source, target) = (receiver(), receiver());
    for number in 1..=250 {
        add(source.store(), number, "");
    }
    let request = "GET /api/export HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let (_, exported) = exchange(source.address(), request);
    assert_eq!(exported.lines().count(), 250);
    let imported = call_text(target.address(), "/api/import", &exported);
    assert_eq!(imported, json!({ "accepted": 500 / 2, "refused": 0 }));
    let lists = [&source, &target].map(|receiver| ok(receiver.address(), "/api/traces?limit=1000&sort=time"));
    let ids = |list: &Value| -> Vec<Value> {
        list["rows"].as_array().unwrap().iter().map(|row| json!([row["id"], row["start"], row["entities"]])).collect()
    };
    assert_eq!(ids(&lists[0]), ids(&lists[1]));
}

#[test]
fn an_import_accepts_what_other_programs_write() {
    let receiver = receiver();
    let document =
        |id: u64| format!(r#"{{"trace_id":"{TRACE}","id":"{id:016x}","name":"a","start_time":1,"end_time":2}}"#);
    let batch = json!({"Traces": [{"Id": TRACE, "Segments": [{"Id": "1", "Document": document(1)}]}], "Next": null});
    let text = format!("{batch}\n{}\n[{},{}]\n{{}} 7", document(2), document(3), document(4));
    assert_eq!(call_text(receiver.address(), "/api/import", &text), json!({ "accepted": 4, "refused": 2 }));
    let (status, _) = exchange(receiver.address(), post("/api/import", "{"));
    assert_eq!(status, 400);
}

fn call_text(address: SocketAddr, path: &str, body: &str) -> Value {
    let (status, body) = exchange(address, post(path, body));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn a_wait_ends_when_enough_traces_are_settled() {
    let receiver = receiver();
    let address = receiver.address();
    let waiting = std::thread::spawn(move || get(address, "/api/wait?count=2&timeout=20s"));
    add(receiver.store(), 1, "");
    let (status, early) = get(address, "/api/wait?count=2&timeout=1ms");
    assert!(status == 408 && early["matched"].as_u64() < Some(2), "{early}");
    add(receiver.store(), 2, "");
    let (status, traces) = waiting.join().unwrap();
    assert_eq!((status, &traces["matched"]), (200, &json!(2)));
    assert_eq!(traces["traces"][1]["documents"][0]["http"]["request"]["url"], "http://shop/2");
}

#[test]
fn a_wait_returns_everything_that_matches() {
    let receiver = receiver();
    for number in 1..=250 {
        add(receiver.store(), number, "");
    }
    let found = ok(receiver.address(), "/api/wait?count=250&timeout=20s");
    let traces = found["traces"].as_array().unwrap();
    let want: Vec<_> = (1..=250).map(|number| format!("http://shop/{number}")).collect();
    let urls = traces.iter().map(|trace| trace["documents"][0]["http"]["request"]["url"].as_str().unwrap());
    assert_eq!((urls.collect::<Vec<_>>(), &found["matched"]), (want.iter().map(String::as_str).collect(), &json!(250)));
}

#[test]
fn an_unfinished_trace_is_not_settled() {
    let receiver = receiver();
    add(receiver.store(), 1, r#","in_progress":true"#);
    let (status, traces) = get(receiver.address(), "/api/wait?timeout=50ms");
    assert_eq!((status, &traces["matched"]), (408, &json!(0)));
}

/// Opens the stream of events. The function returns the data of the next event with a name.
fn events(address: SocketAddr) -> impl FnMut(&str) -> Value {
    let mut stream = connect(address);
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    move |event| {
        lines.by_ref().find(|line| line.strip_prefix("event: ") == Some(event)).unwrap();
        let data = lines.by_ref().find_map(|line| Some(line.strip_prefix("data: ")?.to_owned())).unwrap();
        serde_json::from_str(&data).unwrap()
    }
}

#[test]
fn events_bring_changes_and_counters() {
    let receiver = receiver();
    let mut next = events(receiver.address());
    assert_eq!(next("stats")["traces"], 0);
    add(receiver.store(), 1, "");
    let mut settled = false;
    while !settled {
        let changed = next("traces");
        assert_eq!((&changed["rows"][0]["url"], &changed["more"]), (&json!("http://shop/1"), &json!(0)));
        settled = changed["rows"][0]["flags"].as_u64().unwrap() & 32 != 0;
    }
    assert_eq!(next("stats")["traces"], 1);
}

#[test]
fn events_report_changed_sampling_rules() {
    let file = std::env::temp_dir().join(format!("xray-local-events-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"SamplingRuleRecords":[]}"#).unwrap();
    let receiver = Receiver::builder().rules(SamplingRules::from_file(&file).unwrap()).bind("127.0.0.1:0").unwrap();
    let mut next = events(receiver.address());
    next("stats");
    let rule = json!({ "RuleName": "checkout", "Priority": 1, "FixedRate": 0.5, "ReservoirSize": 1 });
    call(receiver.address(), "/CreateSamplingRule", &json!({ "SamplingRule": rule }));
    let first = next("rules");
    assert_eq!(first["rules"], json!(["Default", "checkout"]));
    let edited = json!({ "SamplingRuleRecords": [{ "SamplingRule": rule }, { "SamplingRule": {
        "RuleName": "health", "Priority": 2, "FixedRate": 0, "ReservoirSize": 0 } }] });
    std::fs::write(&file, edited.to_string()).unwrap();
    let second = next("rules");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(second["rules"].as_array().unwrap().len(), 3);
    assert!(second["modified"].as_u64() > first["modified"].as_u64());
}

#[test]
fn traces_can_be_forgotten() {
    let receiver = receiver();
    add(receiver.store(), 1, "");
    let (_, body) =
        exchange(receiver.address(), "DELETE /api/traces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((body.as_str(), receiver.store().traces().len()), (r#"{"forgotten":1}"#, 0));
    assert_eq!(ok(receiver.address(), "/api/status")["traces"], 0);
}

#[test]
fn hostile_documents_leave_the_data_intact() {
    let receiver = receiver();
    let script = r#"<script>alert(1)</script>\u202e\u0000\""#;
    let members = format!(
        r#","start_time":1,"end_time":2,"user":"{script}","http":{{"request":{{"method":"{script}","url":"javascript:alert(1)"}}}},
        "annotations":{{"{script}":"{script}"}},"cause":{{"exceptions":[{{"type":"{script}","message":"{script}"}}]}}"#
    );
    let store = receiver.store();
    store.accept(&document(1, script, &members)).unwrap();
    store.accept(&document(2, &"n".repeat(60_000), r#","start_time":1,"end_time":2"#)).unwrap();
    let annotations: Vec<String> = (0..100_000).map(|i| format!(r#""k{i}":{i}"#)).collect();
    let many = format!(r#","start_time":1,"end_time":2,"annotations":{{{}}}"#, annotations.join(","));
    store.accept(&document(3, "many", &many)).unwrap();
    let depth = 1_000;
    let nested: String = (10..depth + 10)
        .map(|i| format!(r#""subsegments":[{{"id":"{i:016x}","name":"d","start_time":1,"end_time":2,"#))
        .collect();
    let deep = format!(r#","start_time":1,"end_time":2,{nested}"a":1{}"#, "}]".repeat(depth));
    store.accept(&document(4, "deep", &deep)).unwrap();
    for garbage in [&b"\xff\xfe"[..], b"{\"format\":\"json\",\"version\":1}\n\xff", b"\n", &[0; 65_000]] {
        store.accept(garbage).unwrap_err();
    }

    let page = ok(receiver.address(), "/api/traces");
    assert_eq!((page["matched"].as_u64(), page["rows"][0]["url"].as_str()), (Some(1), Some("javascript:alert(1)")));
    assert!(page["names"][0].as_str().unwrap().starts_with("<script>"), "text, for the page to show as text");
    let trace = ok(receiver.address(), &format!("/api/traces/{TRACE}"));
    let depths = trace["entities"]["depth"].as_array().unwrap();
    assert_eq!(depths.len(), 4 + depth);
    assert_eq!(depths.iter().map(|depth| depth.as_u64().unwrap()).max(), Some(depth as u64));
    let entity = ok(receiver.address(), &format!("/api/traces/{TRACE}/entities/0000000000000003"));
    assert_eq!(entity["annotations"].as_object().unwrap().len(), 100_000);
    let documents = ok(receiver.address(), &format!("/api/traces/{TRACE}/documents"));
    assert_eq!(documents["documents"].as_array().unwrap().len(), 4);
    let stats = store.stats();
    assert_eq!(stats.missing_header + stats.invalid_header + stats.invalid_document, 4);
}
