//! The application and the service see the same with the interceptor as without it.

use std::time::{Duration, SystemTime};

use aws_runtime::invocation_id::{InvocationId, InvocationIdGenerator};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use xray_aws_sdk::{XRayInterceptor, client};
use xray_core::Recorder;

use crate::documents::{JSON, get_item};
use crate::stub::{ScriptedResponse, Stub, recorded, reply};

/// Gives requests no invocation ID, which would differ from call to call.
#[derive(Debug)]
struct NoIds;

impl InvocationIdGenerator for NoIds {
    fn generate(&self) -> Result<Option<InvocationId>, BoxError> {
        Ok(None)
    }
}

/// Makes a call at a fixed time, and returns its result as text.
async fn get(stub: &Stub, traced: bool) -> String {
    let now = StaticTimeSource::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000));
    let config = stub.config().to_builder().time_source(now).build();
    let config = aws_sdk_dynamodb::config::Builder::from(&config).invocation_id_generator(NoIds);
    let config = if traced { config.interceptor(XRayInterceptor::new()) } else { config };
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.build());
    format!("{:?}", recorded(get_item(&dynamodb)).await.0)
}

#[tokio::test]
async fn results_requests_and_signatures_are_the_same() {
    let error = |status| reply(status, JSON, r#"{"__type":"x#ResourceNotFoundException","message":"no"}"#);
    for scripted in [
        &[reply(200, JSON, "{}")][..],
        &[error(500), error(500), reply(200, JSON, r#"{"Item":{"id":{"S":"1"}}}"#)][..],
        &[error(400)][..],
        &[reply(200, JSON, r#"{"Item":"#)][..],
        &[ScriptedResponse::Cut("{"), ScriptedResponse::Cut("{"), ScriptedResponse::Cut("{")][..],
    ] {
        let stub = Stub::responding([scripted, scripted].concat()).await;
        let plain = get(&stub, false).await;
        let seen_plain = stub.take_seen();
        assert_eq!(get(&stub, true).await, plain);
        let mut seen = stub.take_seen();
        for request in &mut seen {
            assert!(request.header("authorization").unwrap().contains("Signature="));
            let before = request.headers.len();
            request.headers.retain(|(name, _)| name != "x-amzn-trace-id");
            assert_eq!(before - request.headers.len(), 1);
        }
        assert_eq!(seen, seen_plain);
        assert_eq!(seen.len(), scripted.len());
    }
}

#[tokio::test]
async fn presigned_urls_are_unchanged() {
    let stub = Stub::responding([reply(200, &[], "ok")]).await;
    let config = stub.config();
    let (traced, plain) = (client!(aws_sdk_s3, &config), aws_sdk_s3::Client::new(&config));
    let presigning = || {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
        PresigningConfig::builder().start_time(start).expires_in(Duration::from_secs(60)).build().unwrap()
    };
    let get = |s3: &aws_sdk_s3::Client| s3.get_object().bucket("b").key("k");
    let put = |s3: &aws_sdk_s3::Client| s3.put_object().bucket("b").key("k");
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let work = async || {
        for (traced, plain) in [
            (get(&traced).presigned(presigning()).await.unwrap(), get(&plain).presigned(presigning()).await.unwrap()),
            (put(&traced).presigned(presigning()).await.unwrap(), put(&plain).presigned(presigning()).await.unwrap()),
        ] {
            assert_eq!((traced.method(), traced.uri()), (plain.method(), plain.uri()));
            assert!(traced.headers().eq(plain.headers()), "{:?}", traced.headers().collect::<Vec<_>>());
        }
    };
    segment.scope(work()).await;
    crate::context::unsampled().scope(work()).await;
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n");
    assert_eq!(stub.take_seen(), []);
}
