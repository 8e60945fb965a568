//! Responses streamed to the application, and requests streamed from it.

use aws_sdk_s3::primitives::ByteStream;
use serde_json::{Value, json};
use xray_aws_sdk::{XRayInterceptor, client};
use xray_core::Recorder;
use xray_core::testing::Trace;

use crate::documents::JSON;
use crate::stub::{ScriptedResponse, Stub, call, recorded, reply};

/// Returns how a `GetObject` was recorded: `aborted`, `fault` or neither.
fn end(trace: &Trace) -> String {
    let call = call(trace);
    assert_eq!(call["aws"]["key"], "k");
    let marks = [("aborted", &call["metadata"]["xray"]["aborted"]), ("fault", &call["fault"])];
    marks.into_iter().filter(|(_, mark)| **mark == true).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn the_call_ends_with_its_streamed_response() {
    let stub = Stub::responding([ScriptedResponse::Halves("first", "second")]).await;
    let s3 = client!(aws_sdk_s3, &stub.config());
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let mut body = segment.scope(async { s3.get_object().bucket("b").key("k").send().await.unwrap().body }).await;
    assert_eq!(body.next().await.unwrap().unwrap(), "first");
    // The call is still open, so the segment contains only a stub of it.
    segment.close();
    let before = traces.take().single();
    assert_eq!(before.find("S3").json()["in_progress"], true);
    stub.open_gate();
    assert_eq!(body.next().await.unwrap().unwrap(), "second");
    assert!(body.next().await.is_none());
    let documents = traces.take();
    let [late] = documents.documents() else { panic!("one document of its own") };
    let late: Value = serde_json::from_str(late.json()).unwrap();
    assert_eq!(late["id"], before.find("S3").json()["id"]);
    assert_eq!((&late["http"]["response"]["content_length"], &late["metadata"]), (&json!(11), &Value::Null));
}

#[tokio::test]
async fn the_end_of_a_response_body_is_recorded() {
    for (response, is_read, want) in [
        (reply(200, &[], "ok"), true, ""),
        (reply(200, &[], ""), true, ""),
        // A body that is dropped unread is not aborted.
        (reply(200, &[], ""), false, ""),
        (reply(200, &[("transfer-encoding", "chunked")], "2\r\nok\r\n0\r\n\r\n"), true, ""),
        (reply(200, &[], "ok"), false, ""),
        (ScriptedResponse::Cut("part"), true, "fault"),
        (ScriptedResponse::Cut("part"), false, ""),
    ] {
        let stub = Stub::responding([response.clone()]).await;
        let s3 = client!(aws_sdk_s3, &stub.config());
        let (_, trace) = recorded(async {
            let body = s3.get_object().bucket("b").key("k").send().await.unwrap().body;
            match is_read {
                true => body.collect().await.is_ok(),
                false => false,
            }
        })
        .await;
        assert_eq!(end(&trace), want, "{response:?} {is_read}");
    }
}

#[tokio::test]
async fn a_response_dropped_half_read_is_aborted() {
    let stub = Stub::responding([ScriptedResponse::Halves("first", "second")]).await;
    let s3 = client!(aws_sdk_s3, &stub.config());
    let (_, trace) = recorded(async {
        let mut body = s3.get_object().bucket("b").key("k").send().await.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "first");
    })
    .await;
    assert_eq!(end(&trace), "aborted");
}

#[tokio::test]
async fn a_call_can_end_with_the_response_headers() {
    let stub = Stub::responding([ScriptedResponse::Halves("first", "second")]).await;
    let s3 = client!(aws_sdk_s3, &stub.config(), XRayInterceptor::new().end_at_headers(true));
    let (body, trace) = recorded(async { s3.get_object().bucket("b").key("k").send().await.unwrap().body }).await;
    assert_eq!(end(&trace), "");
    assert_eq!(trace.find("S3").json().get("in_progress"), None);
    stub.open_gate();
    assert_eq!(body.collect().await.unwrap().into_bytes(), "firstsecond");
}

#[tokio::test]
async fn large_responses_and_streamed_requests_arrive_complete() {
    let large = "x".repeat(10_000_000);
    let stub = Stub::responding([reply(200, &[], &*large)]).await;
    let s3 = client!(aws_sdk_s3, &stub.config());
    let get = s3.get_object().bucket("b").key("k");
    let (body, _) = recorded(async { get.send().await.unwrap().body.collect().await.unwrap() }).await;
    assert_eq!(body.into_bytes(), large);

    // The application's own body, in memory and as a stream. Its JSON could be mistaken for a request.
    let stub = Stub::responding([reply(200, &[], "")]).await;
    let s3 = client!(aws_sdk_s3, &stub.config());
    let text = r#"{"Bucket":"not this","Metadata":"s3cret","Key":"nor this"}"#;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("upload.json");
    std::fs::write(&file, text).unwrap();
    for body in [ByteStream::from_static(text.as_bytes()), ByteStream::from_path(&file).await.unwrap()] {
        let put = s3.put_object().bucket("b").key("k").content_type("application/json").body(body);
        let (result, trace) = recorded(put.send()).await;
        result.unwrap();
        let want =
            json!({"operation": "PutObject", "region": "eu-west-1", "retries": 0, "bucket_name": "b", "key": "k"});
        assert_eq!(call(&trace)["aws"], want);
        let [seen] = &stub.take_seen()[..] else { panic!("one request") };
        assert!(String::from_utf8_lossy(&seen.body).contains(text));
    }

    let many = format!(r#"{{"TableNames":["{large}"]}}"#);
    let stub = Stub::responding([reply(200, JSON, many)]).await;
    let dynamodb = client!(aws_sdk_dynamodb, &stub.config());
    let (result, trace) = recorded(dynamodb.list_tables().limit(7).send()).await;
    assert_eq!(result.unwrap().table_names()[0].len(), large.len());
    let aws = &call(&trace)["aws"];
    assert_eq!((&aws["limit"], &aws["table_count"]), (&json!(7), &Value::Null));
}
