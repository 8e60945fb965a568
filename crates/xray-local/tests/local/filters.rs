//! Filter expressions on a fixed set of traces.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xray_local::Receiver;

use crate::corpus::{self, START, expectations};
use crate::http::{call, exchange, post};
use crate::tree::datagram;

#[test]
fn each_expression_finds_the_traces_in_the_table() {
    let receiver = corpus::receiver();
    let expectations = expectations();
    assert!(expectations.len() > 90);
    let mut wrong = Vec::new();
    for (expression, want) in expectations {
        let found: BTreeSet<String> =
            receiver.traces(&expression).unwrap().iter().map(|trace| trace.id().to_string()).collect();
        if found != want {
            wrong.push(format!("{expression}: {:?}", found.symmetric_difference(&want).collect::<Vec<_>>()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_summary_has_no_room_for_is_found_nevertheless() {
    for many in [60, 160] {
        let receiver = Receiver::bind("127.0.0.1:0").unwrap();
        let annotations: String = (0..many).map(|i| format!(r#""k{i}":{i},"#)).collect();
        let calls: String = (0..many)
        .map(|i| {
            format!(
                r#",{{"id":"{:016x}","name":"s{i}","namespace":"remote","start_time":1,"end_time":2,"user":"u{i}"}}"#,
                i + 2
            )
        })
        .collect();
        let document = format!(
            r#"{{"trace_id":"1-00000001-000000000000000000000001","id":"0000000000000001","name":"shop","start_time":1,
        "end_time":2,"annotations":{{{annotations}"last":true}},"subsegments":[{}]}}"#,
            &calls[1..]
        );
        receiver.store().accept(&datagram(&document)).unwrap();
        for (expression, want) in [
            ("annotation.k59 = 59 AND annotation.last", 1),
            ("annotation.k160", 0),
            ("!annotation.k160", 1),
            ("!annotation.last", 0),
            ("service(\"s59\") { inferred }", 1),
            ("service(\"s160\") { inferred }", 0),
            ("edge(\"shop\", \"s59\")", 1),
            ("edge(\"shop\", \"s160\")", 0),
            ("user = \"u59\"", 1),
            ("!service(\"s59\")", 0),
        ] {
            assert_eq!(receiver.traces(expression).unwrap().len(), want, "{expression}, {many}");
        }
    }
}

/// Expressions that cannot be used, the position of the error, and a part of the message.
const WRONG: [(&str, usize, &str); 30] = [
    ("fautl", 0, "did you mean `fault`?"),
    ("ok AND colour = 1", 7, "`annotation.colour`"),
    ("annotation.age IS NULL", 15, "write `!annotation.age`"),
    ("NOT ok", 0, "write `!`"),
    ("user IN (\"a\")", 5, "OR user = \"b\""),
    ("http.url LIKE \"x\"", 9, "CONTAINS"),
    ("metadata.order = 1", 0, "metadata is not indexed"),
    ("http.status == 200", 12, "write `=`"),
    ("ok && fault", 3, "write `AND`"),
    ("ok || fault", 3, "write `OR`"),
    ("status = 200", 0, "write `http.status`"),
    ("duration > fast", 11, "such as `0.5`"),
    ("duration CONTAINS 1", 18, "is a number"),
    ("user > \"a\"", 7, "is a text"),
    ("fault = 1", 8, "`true` or `false`"),
    ("annotation.age > \"29\"", 17, "without quotes"),
    ("annotation. = 1", 12, "the key is missing"),
    ("service(\"a\"", 11, "expected `)`"),
    ("service(\"a\") { service(\"b\") }", 15, "only outside braces"),
    ("root", 0, "only in the braces"),
    ("service(\"a\") { coverage > 1 }", 15, "only in the braces of `rootcause"),
    ("edge(\"a\")", 8, "expected `,`"),
    ("(ok", 3, "expected `)`"),
    ("ok)", 2, "expected AND, OR or the end"),
    ("user = \"a", 7, "has no end"),
    ("ok AND", 6, "the expression ends here"),
    ("ok §", 3, "put text in quotes"),
    ("rootcause.json = {}", 17, "expected `#` and JSON"),
    ("rootcause.json = #[", 17, "no valid JSON"),
    ("fault AND group.name = \"none\"", 10, "there is no group \"none\""),
];

#[test]
fn errors_point_at_the_place_and_say_what_to_write() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    for (expression, at, message) in WRONG {
        let error = receiver.traces(expression).unwrap_err();
        assert_eq!(error.at, at, "{expression}: {error}");
        assert!(error.message.contains(message), "{expression}: {error}");
        let body = json!({ "StartTime": START, "EndTime": START, "FilterExpression": expression });
        let (status, body) = exchange(receiver.address(), post("/TraceSummaries", &body.to_string()));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["__type"]), (400, &json!("InvalidRequestException")), "{expression}");
        assert_eq!(body["message"], json!(error.to_string()));
    }
}

#[test]
fn the_page_gets_the_position_too() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    for path in ["traces", "graph", "wait", "export"] {
        let request =
            format!("GET /api/{path}?filter=ok%20nok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let (status, body) = exchange(receiver.address(), request);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["at"]), (400, &json!(3)), "{path}: {body}");
    }
    call(receiver.address(), "/Groups", &json!({}));
}
