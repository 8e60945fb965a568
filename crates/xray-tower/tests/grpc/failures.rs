//! Calls that fail without a status of the service: deadlines, disconnects, services that are gone.

use std::time::Duration;

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Server;
use tonic::{Code, Request};

use crate::service::{call, get, open, serve, serve_by};
use crate::{Caller, calling, endpoint, serving};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_call_that_is_dropped_before_its_response_is_cancelled_on_both_sides() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    for method in ["Get", "Collect"] {
        let segment = caller.recorder.begin("caller");
        tokio::select! {
            result = segment.scope(call(&mut caller.client, method, &["hang"])) => panic!("{result:?}"),
            permit = service.hanging.acquire() => permit.unwrap().forget(),
        }
        segment.close();
        let cancelled = |message| json!({"fault": true, "cause": [["Cancelled", message]], "response": null});
        let call = cancelled("the call was dropped before its response");
        assert_eq!(caller.documents.next().await, calling(service.address, method, call));
        let request = cancelled("the request was dropped before its response");
        assert_eq!(service.document().await, serving(service.address, method, request));
    }
}

#[tokio::test]
async fn a_deadline_of_the_caller_is_recorded_on_both_sides() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    let segment = caller.recorder.begin("caller");
    let mut request = Request::new("hang".to_owned());
    // Sends `grpc-timeout`, by which tonic's server drops the request as well.
    request.set_timeout(SHORT);
    segment.scope(get(&mut caller.client, request)).await.unwrap_err();
    segment.close();
    let document = caller.documents.next().await;
    // The caller gives up, unless the status of the server comes first.
    let gave_up = json!({"fault": true, "cause": document["subsegments"][0]["cause"], "response": null});
    let by_server = json!({"error": true, "cause": [["CANCELLED", "Timeout expired"]]});
    let expected = [gave_up, by_server].map(|more| calling(service.address, "Get", more));
    assert!(expected.contains(&document), "{document}");
    assert!(document["subsegments"][0]["cause"].to_string().contains("Timeout expired"), "{document}");
    let message = "the request was dropped before its response";
    let cancelled = json!({"fault": true, "cause": [["Cancelled", message]], "response": null});
    assert_eq!(service.document().await, serving(service.address, "Get", cancelled));
}

#[tokio::test]
async fn a_deadline_of_the_server_is_a_status_at_the_caller() {
    let mut service = serve_by(Server::builder().timeout(SHORT), None).await;
    let mut caller = Caller::of(service.address);
    let (result, document) = caller.call("Get", &["hang"]).await;
    assert_eq!(result.unwrap_err().code(), Code::Cancelled);
    let failed = json!({"error": true, "cause": [["CANCELLED", "Timeout expired"]]});
    assert_eq!(document, calling(service.address, "Get", failed));
    // tonic's timeout is outside of all layers: it drops the request.
    let message = "the request was dropped before its response";
    let cancelled = json!({"fault": true, "cause": [["Cancelled", message]], "response": null});
    assert_eq!(service.document().await, serving(service.address, "Get", cancelled));
}

#[tokio::test]
async fn a_handler_that_panics_is_a_fault_on_both_sides() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    let (result, document) = caller.call("Get", &["panic"]).await;
    result.unwrap_err();
    let failed = json!({"fault": true, "cause": document["subsegments"][0]["cause"], "response": null});
    assert_eq!(document, calling(service.address, "Get", failed));
    let panicked = json!({"fault": true, "cause": [["panic", "out of paper"]], "response": null});
    assert_eq!(service.document().await, serving(service.address, "Get", panicked));
}

#[tokio::test]
async fn a_refused_connection_is_a_fault_with_its_causes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut caller = Caller::of(address);
    let (result, document) = caller.call("Get", &["a"]).await;
    assert_eq!(result.unwrap_err().code(), Code::Unavailable);
    let cause = &document["subsegments"][0]["cause"];
    let text = cause.to_string();
    assert!(text.contains("transport error") && text.contains("Connection refused"), "{text}");
    let failed = json!({"fault": true, "cause": cause, "response": null});
    assert_eq!(document, calling(address, "Get", failed));
}

#[tokio::test]
async fn a_service_that_never_responds_is_a_fault_when_keep_alive_gives_it_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dead = tokio::spawn(async move {
        let _held = listener.accept().await.unwrap();
        std::future::pending::<()>().await
    });
    let mut caller = Caller::by(endpoint(address).http2_keep_alive_interval(SHORT).keep_alive_timeout(SHORT));
    let (result, document) = caller.call("List", &["a"]).await;
    result.unwrap_err();
    let cause = &document["subsegments"][0]["cause"];
    assert!(cause.to_string().contains("keep-alive timed out"), "{cause}");
    let failed = json!({"fault": true, "cause": cause, "response": null});
    assert_eq!(document, calling(address, "List", failed));
    dead.abort();
}

#[tokio::test]
async fn a_connection_that_is_lost_in_a_stream_is_a_remote_fault_and_aborts_the_response() {
    let mut service = serve().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let to = service.address;
    let between = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        copy_bidirectional(&mut near, &mut far).await
    });
    let mut caller = Caller::of(address);
    let segment = caller.recorder.begin("caller");
    let mut stream = segment.scope(open(&mut caller.client, "List", &["a", "hang"])).await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap(), "a");
    service.hanging.acquire().await.unwrap().forget();
    between.abort();
    stream.message().await.unwrap_err();
    segment.close();
    let raw = caller.documents.raw().await;
    let exceptions = raw["subsegments"][0]["cause"]["exceptions"].as_array().unwrap();
    assert!(exceptions.iter().all(|one| one["remote"] == true), "{raw}");
    let document = xray_behaviours::documents::normalised(raw);
    let failed = json!({"fault": true, "cause": document["subsegments"][0]["cause"]});
    assert_eq!(document, calling(address, "List", failed));
    let aborted = json!({"metadata": {"xray": {"aborted": true}}});
    // The caller has sent the address to which it connected.
    assert_eq!(service.document().await, serving(address, "List", aborted));
}
