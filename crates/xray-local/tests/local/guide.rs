//! The examples of the X-Ray developer guide: the documents that it prints, and the graphs that X-Ray made of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use xray_local::Receiver;

use crate::http::call;

const TRACE: &str = "1-59602603-23fc5b688855d396af79b496";

/// The three segments of a request to Scorekeep, as the application, Lambda and the function sent them.
fn scorekeep() -> Vec<Value> {
    let call = json!({ "response": { "status": 200 } });
    let publish = json!({
        "operation": "Publish", "region": "us-west-2", "request_id": "a2137970", "retries": 0,
        "topic_arn": "arn:aws:sns:us-west-2:123456789012:NotificationTopic"
    });
    let update = json!({
        "table_name": "scorekeep-user", "operation": "UpdateItem", "request_id": "MFQ8CGJ3",
        "resource_names": ["scorekeep-user"]
    });
    vec![
        json!({
            "id": "1fb07842d944e714", "name": "random-name", "start_time": 1_499_473_411.677,
            "end_time": 1_499_473_414.572, "parent_id": "0c544c1b1bbff948", "http": call,
            "aws": { "request_id": "ac086670" }, "trace_id": TRACE, "origin": "AWS::Lambda",
            "resource_arn": "arn:aws:lambda:us-west-2:123456789012:function:random-name"
        }),
        json!({
            "id": "194fcc8747581230", "name": "Scorekeep", "start_time": 1_499_473_411.562,
            "end_time": 1_499_473_414.794, "trace_id": TRACE, "user": "5M388M1E",
            "origin": "AWS::ElasticBeanstalk::Environment",
            "http": {
                "request": { "url": "http://scorekeep.elasticbeanstalk.com/api/user", "method": "POST",
                             "client_ip": "205.251.233.183" },
                "response": { "status": 200 }
            },
            "aws": { "ec2": { "availability_zone": "us-west-2c", "instance_id": "i-0cd9e448944061b4a" } },
            "subsegments": [
                {
                    "id": "0c544c1b1bbff948", "name": "Lambda", "start_time": 1_499_473_411.629,
                    "end_time": 1_499_473_414.572, "http": call, "namespace": "aws",
                    "aws": { "function_name": "random-name", "operation": "Invoke", "resource_names": ["random-name"] }
                },
                {
                    "id": "071684f2e555e571", "name": "## UserModel.saveUser", "start_time": 1_499_473_414.581,
                    "end_time": 1_499_473_414.769,
                    "subsegments": [{
                        "id": "4cd3f10b76c624b4", "name": "DynamoDB", "start_time": 1_499_473_414.69,
                        "end_time": 1_499_473_414.769, "http": call, "aws": update, "namespace": "aws"
                    }]
                }
            ]
        }),
        json!({
            "id": "00f91aa01f4984fd", "name": "random-name", "start_time": 1_499_473_412.83,
            "end_time": 1_499_473_414.57, "parent_id": "1fb07842d944e714", "trace_id": TRACE,
            "origin": "AWS::Lambda::Function", "aws": { "account_id": "123456789012" },
            "subsegments": [
                {
                    "id": "e6d2fe619f827804", "name": "annotations", "start_time": 1_499_473_413.012,
                    "end_time": 1_499_473_413.069, "annotations": { "UserID": "5M388M1E", "Name": "Ola" }
                },
                {
                    "id": "b29b548af4d54a0f", "name": "SNS", "start_time": 1_499_473_413.112,
                    "end_time": 1_499_473_414.071, "http": call, "aws": publish, "namespace": "aws"
                }
            ]
        }),
    ]
}

fn put(receiver: &Receiver, documents: &[Value]) {
    let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
    let body = json!({ "TraceSegmentDocuments": documents });
    assert_eq!(call(receiver.address(), "/TraceSegments", &body)["UnprocessedTraceSegments"], json!([]));
}

#[test]
fn the_trace_of_scorekeep_has_its_inferred_segments() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let sent = scorekeep();
    put(&receiver, &sent);
    let found = call(receiver.address(), "/Traces", &json!({ "TraceIds": [TRACE] }));
    let trace = &found["Traces"][0];
    assert_eq!(trace["Duration"], json!(3.232));
    let mut segments: BTreeMap<String, Value> = BTreeMap::new();
    for segment in trace["Segments"].as_array().unwrap() {
        let mut document: Value = serde_json::from_str(segment["Document"].as_str().unwrap()).unwrap();
        let key = if document["inferred"] == true { &document["name"] } else { &document["id"] };
        let key = key.as_str().unwrap().to_owned();
        if document["inferred"] == true {
            // X-Ray derives its own.
            document.as_object_mut().unwrap().remove("id");
        }
        segments.insert(key, document);
    }
    assert_eq!(segments.len(), 5);
    for document in sent {
        assert_eq!(segments[document["id"].as_str().unwrap()], document);
    }
    assert_eq!(
        segments["DynamoDB"],
        json!({
            "name": "DynamoDB", "start_time": 1_499_473_414.69, "end_time": 1_499_473_414.769,
            "parent_id": "4cd3f10b76c624b4", "inferred": true, "http": { "response": { "status": 200 } },
            "aws": { "table_name": "scorekeep-user", "operation": "UpdateItem", "request_id": "MFQ8CGJ3",
                     "resource_names": ["scorekeep-user"] },
            "trace_id": TRACE, "origin": "AWS::DynamoDB::Table"
        })
    );
    assert_eq!(
        segments["SNS"],
        json!({
            "name": "SNS", "start_time": 1_499_473_413.112, "end_time": 1_499_473_414.071,
            "parent_id": "b29b548af4d54a0f", "inferred": true, "http": { "response": { "status": 200 } },
            "aws": { "operation": "Publish", "region": "us-west-2", "request_id": "a2137970", "retries": 0,
                     "topic_arn": "arn:aws:sns:us-west-2:123456789012:NotificationTopic" },
            "trace_id": TRACE, "origin": "AWS::SNS"
        })
    );
}

#[test]
fn the_graph_of_scorekeep_joins_its_services() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    put(&receiver, &scorekeep());
    let graph = call(receiver.address(), "/TraceGraph", &json!({ "TraceIds": [TRACE] }));
    let want = [
        ("AWS::DynamoDB::Table scorekeep-user", vec![]),
        (
            "AWS::ElasticBeanstalk::Environment Scorekeep",
            vec!["AWS::DynamoDB::Table scorekeep-user", "AWS::Lambda random-name"],
        ),
        ("AWS::Lambda random-name", vec!["AWS::Lambda::Function random-name"]),
        ("AWS::Lambda::Function random-name", vec!["AWS::SNS SNS"]),
        ("AWS::SNS SNS", vec![]),
        ("client Scorekeep", vec!["AWS::ElasticBeanstalk::Environment Scorekeep"]),
    ];
    let edges: Vec<(String, Vec<String>)> =
        by_name(&graph).into_iter().map(|(name, node)| (name, node.edges.into_keys().collect())).collect();
    assert_eq!(edges, want.map(|(name, edges)| (name.to_owned(), edges.into_iter().map(str::to_owned).collect())));
}

/// The guide's example of `GetServiceGraph`: four requests, of which one failed and two called a table and a topic.
#[test]
fn the_graph_of_the_sample_application_has_the_printed_numbers() {
    const START: f64 = 1_528_317_567.0;
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let aws = |id: u64, name: &str, at: f64, duration: f64, members: Value| {
        json!({ "id": format!("{id:016x}"), "name": name, "start_time": at, "end_time": at + duration,
                "namespace": "aws", "aws": members })
    };
    // Its second, its duration, its status, and how long the table and the topic took.
    let requests = [
        (0, 0.005, 404, None),
        (1, 0.015, 200, None),
        (16, 0.157, 200, Some((0.076, 0.049))),
        (21, 0.096, 200, Some((0.044, 0.076))),
    ];
    for (number, (second, duration, status, calls)) in (1_u64..).zip(requests) {
        let at = START + f64::from(second);
        let calls = calls.map_or(vec![], |(table, topic)| {
            let update = json!({ "table_name": "StartupSignupsTable", "operation": "PutItem" });
            vec![
                aws(number * 16 + 1, "DynamoDB", at, table, update),
                aws(number * 16 + 2, "SNS", at, topic, json!({ "operation": "Publish" })),
            ]
        });
        put(
            &receiver,
            &[json!({
                "id": format!("{number:016x}"), "trace_id": format!("1-{:08x}-{number:024x}", at as u64),
                "name": "xray-sample.elasticbeanstalk.com", "origin": "AWS::EC2::Instance",
                "start_time": at, "end_time": at + duration, "error": status == 404,
                "http": { "response": { "status": status } }, "subsegments": calls
            })],
        );
    }
    let range = json!({ "StartTime": START - 1.0, "EndTime": START + 60.0 });
    let graph = call(receiver.address(), "/ServiceGraph", &range);
    let application = "AWS::EC2::Instance xray-sample.elasticbeanstalk.com";
    let all = numbers(4, 3, 0.273, &[0.005, 0.015, 0.096, 0.157]);
    let table = numbers(2, 2, 0.12, &[0.044, 0.076]);
    let topic = numbers(2, 2, 0.125, &[0.049, 0.076]);
    let edges =
        |edges: &[(&str, &Numbers)]| edges.iter().map(|(to, numbers)| ((*to).to_owned(), (*numbers).clone())).collect();
    let want = BTreeMap::from([
        (
            "AWS::DynamoDB::Table StartupSignupsTable".to_owned(),
            Node { state: "unknown".into(), root: false, numbers: Some(table.clone()), edges: edges(&[]) },
        ),
        (
            application.to_owned(),
            Node {
                state: "active".into(),
                root: true,
                numbers: Some(all.clone()),
                edges: edges(&[("AWS::DynamoDB::Table StartupSignupsTable", &table), ("AWS::SNS SNS", &topic)]),
            },
        ),
        (
            "AWS::SNS SNS".to_owned(),
            Node { state: "unknown".into(), root: false, numbers: Some(topic.clone()), edges: edges(&[]) },
        ),
        (
            "client xray-sample.elasticbeanstalk.com".to_owned(),
            Node { state: "unknown".into(), root: false, numbers: None, edges: edges(&[(application, &all)]) },
        ),
    ]);
    assert_eq!(by_name(&graph), want);
}

/// The statistics of a node or an edge, and its histogram in milliseconds.
#[derive(Debug, Clone, PartialEq)]
struct Numbers {
    total: u64,
    ok: u64,
    error: u64,
    milliseconds: i64,
    histogram: BTreeMap<i64, u64>,
}

#[derive(Debug, PartialEq)]
struct Node {
    state: String,
    root: bool,
    numbers: Option<Numbers>,
    edges: BTreeMap<String, Numbers>,
}

fn numbers(total: u64, ok: u64, seconds: f64, each: &[f64]) -> Numbers {
    let histogram = each.iter().map(|each| (milliseconds(*each), 1)).collect();
    Numbers { total, ok, error: total - ok, milliseconds: milliseconds(seconds), histogram }
}

fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}

/// Returns the nodes of a graph by type and name, and the edges of each by the node that they lead to.
fn by_name(graph: &Value) -> BTreeMap<String, Node> {
    let services = graph["Services"].as_array().unwrap();
    let name = |service: &Value| {
        format!("{} {}", service["Type"].as_str().unwrap_or_default(), service["Name"].as_str().unwrap())
    };
    let node = |service: &Value| {
        let edges = service["Edges"].as_array().unwrap().iter().map(|edge| {
            let to = services.iter().find(|other| other["ReferenceId"] == edge["ReferenceId"]).unwrap();
            (name(to), read(edge).unwrap())
        });
        Node {
            state: service["State"].as_str().unwrap().to_owned(),
            root: service["Root"] == true,
            numbers: read(service),
            edges: edges.collect(),
        }
    };
    services.iter().map(|service| (name(service), node(service))).collect()
}

/// Reads the statistics of a node or an edge; a client has none.
fn read(part: &Value) -> Option<Numbers> {
    let statistics = part.get("SummaryStatistics").filter(|statistics| !statistics.is_null())?;
    assert_eq!(statistics["FaultStatistics"]["TotalCount"], 0);
    let histogram = part["ResponseTimeHistogram"].as_array().unwrap().iter();
    Some(Numbers {
        total: statistics["TotalCount"].as_u64().unwrap(),
        ok: statistics["OkCount"].as_u64().unwrap(),
        error: statistics["ErrorStatistics"]["TotalCount"].as_u64().unwrap(),
        milliseconds: milliseconds(statistics["TotalResponseTime"].as_f64().unwrap()),
        histogram: histogram
            .map(|bar| (milliseconds(bar["Value"].as_f64().unwrap()), bar["Count"].as_u64().unwrap()))
            .collect(),
    })
}
