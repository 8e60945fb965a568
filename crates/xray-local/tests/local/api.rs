//! The operations of the X-Ray service, as they are on the wire.

use std::fs;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Value, json};
use xray_local::{Receiver, SamplingRules};

use crate::corpus::{self, START, trace_id};
use crate::http::{call, exchange, post};
use crate::tree::datagram;

/// Calls an operation that fails; returns the status, the name of the exception and the message.
fn failure(address: SocketAddr, path: &str, body: &Value) -> (u16, String, String) {
    let mut stream = crate::http::connect(address);
    let mut text = String::new();
    std::io::Write::write_all(&mut stream, post(path, &body.to_string()).as_bytes()).unwrap();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let kind = body["__type"].as_str().unwrap_or_default().to_owned();
    assert!(head.contains(&format!("x-amzn-errortype: {kind}\r\n")), "{head}");
    (status, kind, body["message"].as_str().unwrap_or_default().to_owned())
}

fn all() -> Value {
    json!({ "StartTime": START, "EndTime": START + 1_000 })
}

fn with(mut body: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn a_summary_has_every_member() {
    let receiver = corpus::receiver();
    let body = with(all(), &json!({ "FilterExpression": "fault" }));
    let found = call(receiver.address(), "/TraceSummaries", &body);
    let service = |name: &str, kind: &str| json!({ "Name": name, "Names": [name], "Type": kind });
    let shop = service("shop", "AWS::ECS::Container");
    let inventory = service("inventory", "AWS::EKS::Container");
    let value = |value: Value| json!([{ "AnnotationValue": value, "ServiceIds": [shop] }]);
    let entity = |name: &str, remote: bool| json!({ "Name": name, "Exceptions": [], "Remote": remote });
    let start = (START + 1) as f64;
    let want = json!({
        "Id": trace_id(1), "StartTime": start, "Duration": 0.5, "ResponseTime": 0.5,
        "HasFault": true, "HasError": false, "HasThrottle": false, "IsPartial": false,
        "Http": {
            "HttpURL": "http://shop.example.com/checkout", "HttpStatus": 500, "HttpMethod": "POST", "UserAgent": "curl/8.0",
            "ClientIp": "10.0.0.1",
        },
        "Annotations": {
            "tier": value(json!({ "StringValue": "gold" })),
            "items": value(json!({ "NumberValue": 3.0 })),
            "cached": value(json!({ "BooleanValue": false })),
            "pool": [{ "AnnotationValue": { "StringValue": "main" }, "ServiceIds": [inventory] }],
        },
        "Users": [{ "UserName": "alice", "ServiceIds": [shop] }],
        "ServiceIds": [service("shop", "client"), shop, inventory, service("orders", "AWS::DynamoDB::Table")],
        "EntryPoint": shop, "ResourceARNs": [], "InstanceIds": [], "AvailabilityZones": [],
        "FaultRootCauses": [{
            "ClientImpacting": true,
            "Services": [
                with(shop.clone(), &json!({
                    "Inferred": false, "EntityPath": [entity("shop", false), entity("inventory", true)],
                })),
                with(inventory.clone(), &json!({
                    "Inferred": false,
                    "EntityPath": [{
                        "Name": "inventory", "Remote": false,
                        "Exceptions": [{ "Name": "PoolError", "Message": "no connection in 100 ms" }],
                    }],
                })),
            ],
        }],
        "ErrorRootCauses": [],
        "ResponseTimeRootCauses": [{
            "ClientImpacting": true,
            "Services": [with(shop.clone(), &json!({
                "Inferred": false, "EntityPath": [{ "Name": "shop", "Remote": false, "Coverage": 1.0 }],
            }))],
        }],
        "Revision": 2,
    });
    assert_eq!(found["TraceSummaries"], json!([want]));
    assert_eq!((&found["TracesProcessedCount"], &found["NextToken"]), (&json!(200), &Value::Null));
    assert_eq!(found["ApproximateTime"], json!(start));
    // Without HTTP, it is an empty object.
    let body = with(all(), &json!({ "FilterExpression": "service(\"worker\")" }));
    let found = call(receiver.address(), "/TraceSummaries", &body)["TraceSummaries"][0].take();
    assert_eq!((&found["Http"], &found["InstanceIds"]), (&json!({}), &json!([{ "Id": "i-0a1b" }])));
}

#[test]
fn time_ranges_include_a_whole_last_second() {
    let receiver = corpus::receiver();
    let ids = |start: f64, end: f64, by: &str| -> Vec<u64> {
        let body = json!({ "StartTime": start, "EndTime": end, "TimeRangeType": by });
        let found = call(receiver.address(), "/TraceSummaries", &body);
        let found = found["TraceSummaries"].as_array().unwrap();
        let number = |trace: &Value| u64::from_str_radix(&trace["Id"].as_str().unwrap()[11..], 16).unwrap();
        found.iter().map(number).collect()
    };
    let at = |seconds: f64| START as f64 + seconds;
    for (start, end, by, want) in [
        (at(1.0), at(2.0), "TraceId", &[2, 1][..]),
        (at(1.0), at(1.5), "TraceId", &[1]),
        (at(2.0), at(2.0), "TraceId", &[2]),
        (at(6.5), at(7.5), "Event", &[7, 5]),
        (at(10.9), at(11.001), "Event", &[11, 9, 5]),
        (at(10.9), at(11.001), "Service", &[9, 5]),
        (at(500.0), at(600.0), "TraceId", &[]),
    ] {
        assert_eq!(ids(start, end, by), want, "{start} {end} {by}");
    }
}

#[test]
fn pages_hold_500_and_fit_together() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    for number in 0..1_201_u64 {
        let text = format!(
            r#"{{"trace_id":"{}","id":"{number:016x}","name":"n","start_time":{START},"end_time":{START}}}"#,
            trace_id(0).replace("000000000000000000000000", &format!("{number:024x}"))
        );
        receiver.store().accept(&datagram(&text)).unwrap();
    }
    let (mut sizes, mut seen, mut token) = (Vec::new(), std::collections::HashSet::new(), Value::Null);
    loop {
        let found = call(receiver.address(), "/TraceSummaries", &with(all(), &json!({ "NextToken": token })));
        let page = found["TraceSummaries"].as_array().unwrap();
        sizes.push(page.len());
        seen.extend(page.iter().map(|trace| trace["Id"].to_string()));
        token = found["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!((sizes, seen.len()), (vec![500, 500, 201], 1_201));
    let half = json!({ "Sampling": true, "SamplingStrategy": { "Name": "FixedRate", "Value": 0.1 } });
    let some = call(receiver.address(), "/TraceSummaries", &with(all(), &half));
    let some = some["TraceSummaries"].as_array().unwrap().len();
    assert!((60..=190).contains(&some), "{some}");
}

#[test]
fn segments_are_joined_and_inferred_ones_added() {
    let receiver = corpus::receiver();
    let found = call(receiver.address(), "/Traces", &json!({ "TraceIds": [trace_id(9), "nonsense", trace_id(999)] }));
    assert_eq!(found["UnprocessedTraceIds"], json!(["nonsense", trace_id(999)]));
    let trace = &found["Traces"][0];
    assert_eq!(
        (&trace["Id"], &trace["Duration"], &trace["LimitExceeded"]),
        (&json!(trace_id(9)), &json!(2.0), &json!(false))
    );
    let documents: Vec<Value> = trace["Segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|segment| {
            let document: Value = serde_json::from_str(segment["Document"].as_str().unwrap()).unwrap();
            assert_eq!(document["id"], segment["Id"]);
            document
        })
        .collect();
    assert_eq!(documents.len(), 2);
    let names: Vec<&Value> =
        documents[0]["subsegments"].as_array().unwrap().iter().map(|child| &child["name"]).collect();
    assert_eq!((names, &documents[0]["trace_id"]), (vec![&json!("SQS"), &json!("step")], &json!(trace_id(9))));
    assert!(documents[0]["subsegments"][0].get("parent_id").is_none());
    let inferred = &documents[1];
    assert_eq!(inferred["parent_id"], documents[0]["subsegments"][0]["id"]);
    assert_eq!(
        (&inferred["name"], &inferred["inferred"], &inferred["origin"], &inferred["error"]),
        (&json!("SQS"), &json!(true), &json!("AWS::SQS::Queue"), &json!(true))
    );
    let again = call(receiver.address(), "/Traces", &json!({ "TraceIds": [trace_id(9)] }));
    assert_eq!(again["Traces"][0], *trace);

    // What comes out can go in again, and is the same graph.
    let all: Vec<String> = (1..=10).map(trace_id).collect();
    let documents = call(receiver.address(), "/Traces", &json!({ "TraceIds": all }));
    let documents: Vec<&Value> = documents["Traces"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|trace| trace["Segments"].as_array().unwrap().iter().map(|segment| &segment["Document"]))
        .collect();
    let other = Receiver::bind("127.0.0.1:0").unwrap();
    let put = call(other.address(), "/TraceSegments", &json!({ "TraceSegmentDocuments": documents }));
    assert_eq!(put["UnprocessedTraceSegments"], json!([]));
    let graph = |receiver: &Receiver| call(receiver.address(), "/TraceGraph", &json!({ "TraceIds": all }));
    let lines = |graph: Value| drawn(&graph["Services"]);
    assert_eq!(lines(graph(&receiver)), lines(graph(&other)));
    assert!(graph(&receiver) == graph(&other));
}

#[test]
fn a_deep_trace_is_joined_without_recursion() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let depth = 5_000_u64;
    for id in 1..=depth {
        let link =
            if id == 1 { String::new() } else { format!(r#","parent_id":"{:016x}","type":"subsegment""#, id - 1) };
        let text =
            format!(r#"{{"trace_id":"{}","id":"{id:016x}","name":"n","start_time":{START}{link}}}"#, trace_id(1));
        receiver.store().accept(&datagram(&text)).unwrap();
    }
    let found = call(receiver.address(), "/Traces", &json!({ "TraceIds": [trace_id(1)] }));
    let document = found["Traces"][0]["Segments"][0]["Document"].as_str().unwrap();
    assert_eq!(document.matches("\"subsegments\":[").count() as u64, depth - 1);
    assert!(document.ends_with(&"]}".repeat(depth as usize - 1)));
}

/// Returns the graph as lines: each node with its statistics, then its edges.
fn drawn(services: &Value) -> Vec<String> {
    let services = services.as_array().unwrap();
    let name = |service: &Value| format!("{}/{}", text(&service["Name"]), text(&service["Type"]));
    let counts = |statistics: &Value| {
        if statistics.is_null() {
            return "-".to_owned();
        }
        format!(
            "{} ok {} error {} throttle {} fault {}",
            statistics["TotalCount"],
            statistics["OkCount"],
            statistics["ErrorStatistics"]["OtherCount"],
            statistics["ErrorStatistics"]["ThrottleCount"],
            statistics["FaultStatistics"]["TotalCount"]
        )
    };
    let mut lines = Vec::new();
    for service in services {
        let root = if service["Root"] == json!(true) { " root" } else { "" };
        lines.push(format!(
            "{} {}{root}: {}",
            name(service),
            text(&service["State"]),
            counts(&service["SummaryStatistics"])
        ));
        for edge in service["Edges"].as_array().unwrap() {
            let called = services.iter().find(|other| other["ReferenceId"] == edge["ReferenceId"]).unwrap();
            lines.push(format!("  -> {}: {}", name(called), counts(&edge["SummaryStatistics"])));
        }
    }
    lines
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_graph_has_clients_services_inferred_nodes_and_calls() {
    let receiver = corpus::receiver();
    let ids: Vec<String> = [1, 2, 3, 7].map(trace_id).into();
    let graph = call(receiver.address(), "/TraceGraph", &json!({ "TraceIds": ids }));
    let want = [
        "shop/AWS::ECS::Container active root: 3 ok 1 error 0 throttle 1 fault 1",
        "  -> inventory/AWS::EKS::Container: 1 ok 0 error 0 throttle 0 fault 1",
        "  -> orders/AWS::DynamoDB::Table: 1 ok 1 error 0 throttle 0 fault 0",
        "shop/client unknown: -",
        "  -> shop/AWS::ECS::Container: 3 ok 1 error 0 throttle 1 fault 1",
        "inventory/AWS::EKS::Container active: 1 ok 0 error 0 throttle 0 fault 1",
        "orders/AWS::DynamoDB::Table unknown: 1 ok 1 error 0 throttle 0 fault 0",
        "api.example.com/ active root: 1 ok 1 error 0 throttle 0 fault 0",
        "  -> auth/remote: 1 ok 0 error 0 throttle 0 fault 1",
        "api.example.com/client unknown: -",
        "  -> api.example.com/: 1 ok 1 error 0 throttle 0 fault 0",
        "auth/remote unknown: 1 ok 0 error 0 throttle 0 fault 1",
    ];
    assert_eq!(drawn(&graph["Services"]), want);
    // The time of the call, as its caller measured it.
    let shop = graph["Services"].as_array().unwrap().iter().find(|node| node["Type"] == "AWS::ECS::Container").unwrap();
    assert_eq!(shop["Edges"][0]["SummaryStatistics"]["TotalResponseTime"], json!(0.14));
    assert_eq!(shop["Edges"][0]["ResponseTimeHistogram"], json!([{ "Value": 0.14, "Count": 1 }]));
    let first = &shop["Edges"][0];
    assert_eq!(
        (&first["StartTime"], &first["EndTime"]),
        (&json!((START + 1) as f64 + 0.1), &json!((START + 1) as f64 + 0.24))
    );
    // The graph of a range has the same nodes, also for a group and for the page.
    let whole = call(receiver.address(), "/ServiceGraph", &all());
    assert!(
        drawn(&whole["Services"])
            .contains(&"shop/AWS::EKS::Container active root: 1 ok 1 error 0 throttle 0 fault 0".to_owned())
    );
    let group = call(receiver.address(), "/ServiceGraph", &with(all(), &json!({ "GroupName": "slow" })));
    let names: Vec<&str> = group["Services"].as_array().unwrap().iter().map(|node| text(&node["Name"])).collect();
    assert!(names.contains(&"cart@db") && !names.contains(&"bulk"), "{names:?}");
    let page = exchange(
        receiver.address(),
        "GET /api/graph?filter=group.name%3D%22slow%22 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let page: Value = serde_json::from_str(&page.1).unwrap();
    assert_eq!(page["Services"], group["Services"]);
}

#[test]
fn series_count_roots_services_or_calls() {
    let receiver = corpus::receiver();
    let series = |members: Value| {
        let found = call(receiver.address(), "/TimeSeriesServiceStatistics", &with(all(), &members));
        let found = found["TimeSeriesServiceStatistics"].as_array().unwrap().clone();
        let sum = |member: &str| found.iter().filter_map(|entry| entry[member]["TotalCount"].as_u64()).sum::<u64>();
        (found.len(), sum("EdgeSummaryStatistics"), sum("ServiceSummaryStatistics"))
    };
    // The trace in progress is not counted. The traces begin within five minutes of the clock.
    assert_eq!(series(json!({})), (5, 199, 0));
    assert_eq!(series(json!({ "Period": 300 })), (2, 199, 0));
    assert_eq!(series(json!({ "GroupName": "slow" })), (1, 3, 0));
    assert_eq!(series(json!({ "EntitySelectorExpression": "service(\"shop\")" })), (1, 0, 5));
    assert_eq!(series(json!({ "EntitySelectorExpression": "id(type: \"AWS::EKS::Container\")" })), (1, 0, 2));
    assert_eq!(series(json!({ "EntitySelectorExpression": "edge(\"shop\", \"inventory\") { fault }" })), (1, 1, 0));
    let refused = failure(
        receiver.address(),
        "/TimeSeriesServiceStatistics",
        &with(all(), &json!({ "EntitySelectorExpression": "fault" })),
    );
    assert_eq!((refused.0, refused.1.as_str()), (400, "InvalidRequestException"));
}

#[test]
fn rules_are_created_updated_and_deleted() {
    let file = std::env::temp_dir().join(format!("xray-local-rules-{}.json", std::process::id()));
    fs::write(&file, r#"{"SamplingRuleRecords": []}"#).unwrap();
    let rules = |write: bool| SamplingRules::from_file(&file).unwrap().write_back(write);
    let rule = json!({ "RuleName": "a", "Priority": 5, "FixedRate": 0.1, "ReservoirSize": 2, "URLPath": "/a/*", "Version": 1 });
    for write in [false, true] {
        let receiver = Receiver::builder().rules(rules(write)).bind("127.0.0.1:0").unwrap();
        let to = |path: &str, body: Value| call(receiver.address(), path, &body);
        let names = || {
            let found = to("/GetSamplingRules", json!({}));
            let found = found["SamplingRuleRecords"].as_array().unwrap().clone();
            found
                .iter()
                .map(|record| record["SamplingRule"]["RuleName"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let created = to("/CreateSamplingRule", json!({ "SamplingRule": rule }));
        let created = &created["SamplingRuleRecord"];
        let arn = "arn:aws:xray:local:000000000000:sampling-rule/a";
        assert_eq!((&created["SamplingRule"]["RuleARN"], &created["SamplingRule"]["Host"]), (&json!(arn), &json!("*")));
        assert!(created["CreatedAt"].as_f64().unwrap() > 1e9);
        assert_eq!(names(), ["Default", "a"]);
        let updated = to("/UpdateSamplingRule", json!({ "SamplingRuleUpdate": { "RuleARN": arn, "FixedRate": 0.5 } }));
        assert_eq!(updated["SamplingRuleRecord"]["SamplingRule"]["FixedRate"], json!(0.5));
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.contains("\"FixedRate\": 0.5"), write, "{text}");
        if write {
            assert_eq!(SamplingRules::from_file(&file).unwrap().names().collect::<Vec<_>>(), ["Default", "a"]);
        }
        to("/UpdateSamplingRule", json!({ "SamplingRuleUpdate": { "RuleName": "Default", "ReservoirSize": 9 } }));
        for (path, body, message) in [
            ("/CreateSamplingRule", json!({ "SamplingRule": rule }), "already exists"),
            ("/CreateSamplingRule", json!({}), "`SamplingRule` is missing"),
            (
                "/CreateSamplingRule",
                json!({ "SamplingRule": with(rule.clone(), &json!({ "RuleName": "b", "Priority": 0 })) }),
                "from 1 to 9999",
            ),
            (
                "/CreateSamplingRule",
                json!({ "SamplingRule": with(rule.clone(), &json!({ "RuleName": "" })) }),
                "1 to 32 characters",
            ),
            (
                "/UpdateSamplingRule",
                json!({ "SamplingRuleUpdate": { "RuleName": "x" } }),
                "there is no sampling rule \"x\"",
            ),
            (
                "/UpdateSamplingRule",
                json!({ "SamplingRuleUpdate": { "RuleName": "a", "FixedRate": 2 } }),
                "from 0 to 1",
            ),
            (
                "/UpdateSamplingRule",
                json!({ "SamplingRuleUpdate": { "RuleName": "Default", "Host": "x" } }),
                "cannot be changed",
            ),
            ("/DeleteSamplingRule", json!({ "RuleName": "Default" }), "cannot be deleted"),
            ("/DeleteSamplingRule", json!({}), "`RuleName` or `RuleARN` is missing"),
        ] {
            let found = failure(receiver.address(), path, &body);
            assert!(found.0 == 400 && found.2.contains(message), "{path} {body}: {found:?}");
        }
        let deleted = to("/DeleteSamplingRule", json!({ "RuleName": "a" }));
        assert_eq!(deleted["SamplingRuleRecord"]["SamplingRule"]["RuleName"], "a");
        assert_eq!(names(), ["Default"]);
    }
    fs::remove_file(&file).unwrap();
}

#[test]
fn reports_of_clients_are_summed_and_anomalies_boost_a_rate() {
    let rules = json!({ "SamplingRuleRecords": [{ "SamplingRule": {
        "RuleName": "a", "Priority": 5, "FixedRate": 0.1, "ReservoirSize": 2,
        "SamplingRateBoost": { "MaxRate": 0.8, "CooldownWindowMinutes": 5 },
    } }] });
    let rules = SamplingRules::from_json(&rules.to_string()).unwrap();
    let receiver = Receiver::builder().rules(rules).bind("127.0.0.1:0").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let report = |client: &str, requests: u64| json!({ "RuleName": "a", "ClientID": client.repeat(24), "RequestCount": requests, "SampledCount": 2, "BorrowCount": 1, "Timestamp": now });
    let anomaly = |rule: &str| json!({ "RuleName": rule, "ServiceName": "s", "Timestamp": now, "AnomalyCount": 1, "TotalCount": 9, "SampledAnomalyCount": 0 });
    let targets = call(
        receiver.address(),
        "/SamplingTargets",
        &json!({
            "SamplingStatisticsDocuments": [report("a", 10), report("b", 5)],
            "SamplingBoostStatisticsDocuments": [anomaly("a"), anomaly("none")],
        }),
    );
    assert_eq!(targets["SamplingTargetDocuments"][0]["SamplingBoost"]["BoostRate"], json!(0.8));
    assert!(targets["SamplingTargetDocuments"][0]["SamplingBoost"]["BoostRateTTL"].as_u64().unwrap() >= now + 60);
    assert_eq!(targets["UnprocessedBoostStatistics"][0]["RuleName"], "none");
    let sums = call(receiver.address(), "/SamplingStatisticSummaries", &json!({}));
    let sums = &sums["SamplingStatisticSummaries"][0];
    assert_eq!(
        (&sums["RuleName"], &sums["RequestCount"], &sums["SampledCount"], &sums["BorrowCount"]),
        (&json!("a"), &json!(15), &json!(4), &json!(2))
    );
    let (_, clients) =
        exchange(receiver.address(), "GET /api/sampling HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let clients: Value = serde_json::from_str(&clients).unwrap();
    let clients = clients["clients"].as_array().unwrap();
    assert_eq!(clients.iter().map(|client| client["quota"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn the_limits_of_the_service_apply_in_strict_mode() {
    let (loose, strict) = (Receiver::builder(), Receiver::builder().strict(true));
    let (loose, strict) = (loose.bind("127.0.0.1:0").unwrap(), strict.bind("127.0.0.1:0").unwrap());
    let ids: Vec<String> = (0..6).map(trace_id).collect();
    let short = json!({ "RuleName": "a", "Priority": 5, "FixedRate": 0.1, "ReservoirSize": 2, "Version": 1 });
    for (path, body, kind) in [
        ("/Traces", json!({ "TraceIds": ids }), "InvalidRequestException"),
        ("/TraceGraph", json!({ "TraceIds": ids }), "InvalidRequestException"),
        ("/CreateSamplingRule", json!({ "SamplingRule": short }), "InvalidRequestException"),
    ] {
        call(loose.address(), path, &body);
        assert_eq!(failure(strict.address(), path, &body).1, kind, "{path}");
    }
    for number in 0..26 {
        let conditions = json!({
            "RuleName": format!("r{number}"), "ResourceARN": "*", "ServiceName": "*", "ServiceType": "*", "Host": "*",
            "HTTPMethod": "*", "URLPath": "*",
        });
        let body = json!({ "SamplingRule": with(short.clone(), &conditions) });
        if number < 25 {
            call(strict.address(), "/CreateSamplingRule", &body);
        } else {
            assert_eq!(failure(strict.address(), "/CreateSamplingRule", &body).1, "RuleLimitExceededException");
        }
    }
}

#[test]
fn invalid_calls_of_each_operation_are_errors_of_the_client() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let paths = [
        "TraceSegments",
        "TraceSummaries",
        "Traces",
        "ServiceGraph",
        "TraceGraph",
        "TimeSeriesServiceStatistics",
        "GetSamplingRules",
        "SamplingTargets",
        "SamplingStatisticSummaries",
        "CreateSamplingRule",
        "UpdateSamplingRule",
        "DeleteSamplingRule",
        "Groups",
        "GetGroup",
        "CreateGroup",
        "UpdateGroup",
        "DeleteGroup",
        "TelemetryRecords",
        "InsightSummaries",
        "Insight",
        "InsightEvents",
        "InsightImpactGraph",
        "EncryptionConfig",
        "PutEncryptionConfig",
        "GetTraceSegmentDestination",
        "UpdateTraceSegmentDestination",
        "GetIndexingRules",
        "UpdateIndexingRule",
        "ListResourcePolicies",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
        "ListTagsForResource",
        "TagResource",
        "UntagResource",
        "StartTraceRetrieval",
        "CancelTraceRetrieval",
        "ListRetrievedTraces",
        "GetRetrievedTracesGraph",
        "NoSuchOperation",
    ];
    assert_eq!(paths.len(), 38 + 1);
    let values =
        [json!(null), json!("x"), json!(-1), json!(1e300), json!([1]), json!({ "a": 1 }), json!([{}]), json!({})];
    let members = [
        "TraceSegmentDocuments",
        "StartTime",
        "EndTime",
        "TraceIds",
        "FilterExpression",
        "NextToken",
        "SamplingRule",
        "SamplingRuleUpdate",
        "RuleName",
        "GroupName",
        "GroupARN",
        "Tags",
        "TagKeys",
        "ResourceARN",
        "SamplingStatisticsDocuments",
        "SamplingBoostStatisticsDocuments",
        "Period",
        "EntitySelectorExpression",
        "TimeRangeType",
        "TelemetryRecords",
        "InsightsConfiguration",
        "Type",
        "Name",
        "Rule",
        "SamplingStrategy",
        "RetrievalToken",
        "InsightId",
        "Destination",
    ];
    for path in paths {
        let path = format!("/{path}");
        for value in &values {
            for body in [members.iter().map(|member| ((*member).to_owned(), value.clone())).collect(), value.clone()] {
                let (status, response) = exchange(receiver.address(), post(&path, &body.to_string()));
                assert!(matches!(status, 200 | 400 | 404), "{path} {body}: {status} {response}");
            }
        }
    }
    assert_eq!(failure(receiver.address(), "/NoSuchOperation", &json!({})).1, "UnknownOperationException");
    let missing = json!({ "ResourceARN": "arn:x" });
    assert_eq!(failure(receiver.address(), "/ListTagsForResource", &missing).0, 404);
}

/// A segment or subsegment of a random trace: its parent among the earlier ones, and what it is.
type Random = (usize, u8, u8, bool, bool);

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Grafana's data source reads these members without a check.
    #[test]
    fn graphs_and_summaries_have_what_grafana_needs(
        entities in prop::collection::vec((any::<usize>(), 0..6_u8, 0..4_u8, any::<bool>(), any::<bool>()), 1..24),
    ) {
        let receiver = Receiver::bind("127.0.0.1:0").unwrap();
        for document in random(&entities) {
            receiver.store().accept(&datagram(&document)).unwrap();
        }
        let graph = call(receiver.address(), "/ServiceGraph", &all());
        let one = call(receiver.address(), "/TraceGraph", &json!({ "TraceIds": [trace_id(1)] }));
        for services in [&graph["Services"], &one["Services"]] {
            let services = services.as_array().unwrap();
            prop_assert!(!services.is_empty());
            for (index, service) in services.iter().enumerate() {
                prop_assert_eq!(&service["ReferenceId"], &json!(index));
                prop_assert!(service["ResponseTimeHistogram"].is_array() && service["StartTime"].is_number());
                let edges = service["Edges"].as_array().unwrap();
                prop_assert!(!service["SummaryStatistics"].is_null() || !edges.is_empty(), "{}", service);
                let statistics = edges.iter().map(|edge| &edge["SummaryStatistics"]).chain([&service["SummaryStatistics"]]);
                for statistics in statistics.filter(|statistics| !statistics.is_null()) {
                    let error = &statistics["ErrorStatistics"];
                    let fault = &statistics["FaultStatistics"];
                    let counts = [&statistics["OkCount"], &error["TotalCount"], &fault["TotalCount"]];
                    let sum: u64 = counts.iter().map(|count| count.as_u64().unwrap()).sum();
                    prop_assert_eq!(statistics["TotalCount"].as_u64().unwrap(), sum);
                    let parts = error["ThrottleCount"].as_u64().unwrap() + error["OtherCount"].as_u64().unwrap();
                    prop_assert_eq!(error["TotalCount"].as_u64().unwrap(), parts);
                    prop_assert!(statistics["TotalResponseTime"].is_number() && fault["OtherCount"].is_number());
                }
                for edge in edges {
                    prop_assert!((edge["ReferenceId"].as_u64().unwrap() as usize) < services.len());
                    prop_assert!(edge["ResponseTimeHistogram"].is_array());
                }
            }
        }
        let summaries = call(receiver.address(), "/TraceSummaries", &all());
        for summary in summaries["TraceSummaries"].as_array().unwrap() {
            prop_assert!(summary["Http"].is_object() && summary["Annotations"].is_object() && summary["Duration"].is_number());
        }
    }
}

fn random(entities: &[Random]) -> Vec<String> {
    let document = |(index, &(parent, name, kind, fault, open)): (usize, &Random)| {
        let mut document = json!({
            "trace_id": trace_id(1), "id": format!("{:016x}", index + 1), "name": format!("s{name}"), "start_time": START + 1,
        });
        if !open {
            document["end_time"] = json!((START + 1) as f64 + 0.1);
        }
        if index > 0 || fault {
            // Now and then a parent that is missing, or a cycle.
            document["parent_id"] = json!(format!("{:016x}", parent % (entities.len() + 1) + 1));
        }
        document["fault"] = json!(fault);
        document["error"] = json!(name % 2 == 0);
        document["throttle"] = json!(name % 4 == 0);
        match kind {
            0 => document["origin"] = json!("AWS::EC2::Instance"),
            1 => with_call(&mut document, "aws", &json!({ "aws": { "table_name": "t" } })),
            2 => with_call(&mut document, "remote", &json!({ "sql": {} })),
            _ => document["http"] = json!({ "request": { "traced": open }, "response": { "status": 200 } }),
        }
        document.to_string()
    };
    entities.iter().enumerate().map(document).collect()
}

fn with_call(document: &mut Value, namespace: &str, members: &Value) {
    document["type"] = json!("subsegment");
    document["namespace"] = json!(namespace);
    *document = with(document.take(), members);
}
