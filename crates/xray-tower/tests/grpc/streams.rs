//! Calls of each kind: both sides last until the end of the call.

use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use xray_behaviours::documents::recorder_with;
use xray_core::sampling::Always;
use xray_tower::XRayClientLayer;

use crate::service::{call, chat, open, serve};
use crate::{Caller, calling, endpoint, serving};

#[tokio::test]
async fn each_kind_of_call_is_recorded_on_both_sides() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    for (method, messages, responses) in [
        ("Get", &["a"][..], &["a"][..]),
        ("Collect", &["a", "b", "c"], &["abc"]),
        ("Collect", &[], &[""]),
        ("List", &["a", "b", "c"], &["a", "b", "c"]),
        ("List", &[], &[]),
        ("Chat", &["a", "b"], &["a", "b"]),
        ("Chat", &[], &[]),
    ] {
        let (result, document) = caller.call(method, messages).await;
        assert_eq!(result.unwrap(), responses);
        assert_eq!(document, calling(service.address, method, json!({})));
        assert_eq!(service.document().await, serving(service.address, method, json!({})));
    }
    service.documents.assert_empty();
}

#[tokio::test]
async fn a_stream_is_recorded_when_it_ends_not_when_it_begins() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    let (messages, receiver) = tokio::sync::mpsc::channel(1);
    let segment = caller.recorder.begin("caller");
    let mut chat = segment.scope(chat(&mut caller.client, ReceiverStream::new(receiver))).await.unwrap();
    for message in ["a", "b"] {
        messages.send(message.to_owned()).await.unwrap();
        assert_eq!(chat.message().await.unwrap().unwrap(), message);
        service.documents.assert_empty();
    }
    let before_the_end = segment.entity().now();
    drop(messages);
    assert_eq!(chat.message().await.unwrap(), None);
    segment.close();
    let document = caller.documents.raw().await;
    let (begin, end) = (&document["subsegments"][0]["start_time"], &document["subsegments"][0]["end_time"]);
    let before_the_end = before_the_end.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(begin.as_f64() < Some(before_the_end) && end.as_f64() >= Some(before_the_end - 1e-5), "{document}");
    assert_eq!(service.document().await, serving(service.address, "Chat", json!({})));
}

#[tokio::test]
async fn a_stream_that_the_caller_drops_is_aborted_on_both_sides() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    for method in ["List", "Chat"] {
        let segment = caller.recorder.begin("caller");
        let mut stream = segment.scope(open(&mut caller.client, method, &["a", "hang"])).await.unwrap();
        assert_eq!(stream.message().await.unwrap().unwrap(), "a");
        service.hanging.acquire().await.unwrap().forget();
        drop(stream);
        segment.close();
        let aborted = json!({"metadata": {"xray": {"aborted": true}}});
        assert_eq!(caller.documents.next().await, calling(service.address, method, aborted.clone()));
        assert_eq!(service.document().await, serving(service.address, method, aborted));
    }
}

#[tokio::test]
async fn a_stream_that_the_caller_never_reads_is_not_aborted_at_the_caller() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    let segment = caller.recorder.begin("caller");
    drop(segment.scope(open(&mut caller.client, "List", &["hang"])).await.unwrap());
    segment.close();
    assert_eq!(caller.documents.next().await, calling(service.address, "List", json!({})));
    let aborted = json!({"metadata": {"xray": {"aborted": true}}});
    assert_eq!(service.document().await, serving(service.address, "List", aborted));
}

#[tokio::test]
async fn calls_of_a_balanced_channel_are_named_by_the_origin() {
    let services = [serve().await, serve().await];
    let channel = Channel::balance_list(services.iter().map(|service| endpoint(service.address)));
    let traced = XRayClientLayer::new().origin("http://inventory");
    let mut client = Grpc::new(tower::ServiceBuilder::new().layer(traced).service(channel));
    let (recorder, mut documents) = recorder_with(Always);
    for _ in 0..8 {
        let segment = recorder.begin("caller");
        segment.scope(call(&mut client, "List", &["a", "b"])).await.unwrap();
        segment.close();
        let request = json!({"method": "POST", "url": "http://inventory/shop.Inventory/List"});
        let call = json!({
            "name": "inventory", "namespace": "remote", "http": {"request": request, "response": {"status": 200}},
        });
        assert_eq!(documents.next().await, json!({"name": "caller", "subsegments": [call]}));
    }
}
