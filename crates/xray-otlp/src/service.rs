//! The emitter that sends directly to the X-Ray service.

use std::time::Duration;

use aws_types::SdkConfig;
use serde::Deserialize;
use serde_json::json;
use ureq::http::HeaderMap;
use xray_core::document::Document;

use crate::background::{Background, Encoded, Inclusion, Protocol, Reply, delegate_emitter};
use crate::batching::Batching;
use crate::client::{Client, Response, Target, display_url};
use crate::config::{ConfigError, endpoint_of};
use crate::sign::{Account, Signer};

/// The maximum number of documents in a request. The daemon has the same limit; the service documents none.
const MAX_DOCUMENTS: usize = 50;

/// The maximum size of the documents in a request.
const MAX_BYTES: usize = 512 << 10;

/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The statuses that AWS's own clients retry.
const RETRYABLE: [u16; 5] = [429, 500, 502, 503, 504];

/// Sends segment documents directly to the X-Ray service, by the API call of this name, without a daemon.
///
/// An `SdkConfig`, which `aws_config` loads, provides the region, the endpoint and the credentials. The credentials need
/// the permission `xray:PutTraceSegments`. Documents are sent unchanged, including those of entities in progress. The
/// emitter starts no thread and opens no connection before the first document.
///
/// ```no_run
/// use aws_types::SdkConfig;
/// use xray_core::Recorder;
/// use xray_otlp::PutTraceSegments;
///
/// # fn f(config: SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
/// // let config = aws_config::load_from_env().await;
/// let recorder = Recorder::builder().emitter(PutTraceSegments::new(&config)?).build()?;
/// # let _ = recorder;
/// # Ok(())
/// # }
/// ```
///
/// Documents that the service rejects are counted in `dropped_rejected` and reported with the reason.
pub struct PutTraceSegments(Background);

impl PutTraceSegments {
    /// Creates an emitter with the default [`Batching`], within the limits of the service.
    ///
    /// # Errors
    ///
    /// Returns an error if `config` has no region or no credentials provider, or if its endpoint is not a URL.
    pub fn new(config: &SdkConfig) -> Result<PutTraceSegments, ConfigError> {
        PutTraceSegments::with_batching(config, Batching::default())
    }

    /// Creates an emitter with the given limits. A batch never has more than 50 documents or 512 KiB.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`new`](PutTraceSegments::new).
    pub fn with_batching(config: &SdkConfig, batching: Batching) -> Result<PutTraceSegments, ConfigError> {
        let account = Account::of(config)?;
        let url = endpoint_of("endpoint_url", &account.endpoint(config))?;
        let target = Target { url: format!("{url}/TraceSegments"), headers: HeaderMap::new(), timeout: TIMEOUT };
        let batching = Batching {
            documents: batching.documents.min(MAX_DOCUMENTS),
            bytes: batching.bytes.min(MAX_BYTES),
            ..batching
        };
        let name = display_url(&target.url);
        let connect = move || -> Box<dyn Protocol> {
            let signer = Box::new(Signer::new(account.clone()));
            Box::new(PutTraceSegmentsProtocol(Client::new(target.clone(), Some(signer))))
        };
        Ok(PutTraceSegments(Background::new(&name, batching, Box::new(connect))))
    }
}

delegate_emitter!(PutTraceSegments);

/// The API call `PutTraceSegments`.
struct PutTraceSegmentsProtocol(Client);

impl Protocol for PutTraceSegmentsProtocol {
    fn encode(&mut self, batch: &[Document]) -> Encoded {
        let documents: Vec<_> = batch.iter().map(Document::json).collect();
        let body = json!({"TraceSegmentDocuments": documents}).to_string();
        Encoded { body: Some(body.into_bytes()), inclusions: vec![Inclusion::Included; batch.len()] }
    }

    fn send(&mut self, body: &[u8], batch: &[Document]) -> Reply {
        match self.0.post("application/json", false, body) {
            Err(why) => Reply::Retry { why, after: None },
            Ok(response) if response.is_success() => unprocessed(&response, batch),
            Ok(response) => self.0.failure(&response, &RETRYABLE),
        }
    }
}

/// Returns the documents that the service rejected from an accepted request.
fn unprocessed(response: &Response, batch: &[Document]) -> Reply {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Body {
        unprocessed_trace_segments: Vec<Unprocessed>,
    }

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Unprocessed {
        id: Option<String>,
        error_code: Option<String>,
        message: Option<String>,
    }

    let body: Body = response.body().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let mut rejected: Vec<(usize, String)> = Vec::new();
    for Unprocessed { id, error_code, message } in body.unprocessed_trace_segments {
        let why = [error_code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let is_left = |index: &usize| rejected.iter().all(|(of, _)| of != index);
        // The service may name the document. If it does not, another document is counted instead.
        let named = id.map(|id| format!("\"id\":\"{id}\""));
        let is_named = |index: &usize| named.as_ref().is_some_and(|name| batch[*index].json().contains(name));
        let mut indices = (0..batch.len()).filter(is_left);
        if let Some(index) = (0..batch.len()).filter(is_left).find(is_named).or_else(|| indices.next()) {
            rejected.push((index, why));
        }
    }
    Reply::Accepted { rejected, rejected_spans: 0, remark: None }
}

#[cfg(test)]
mod tests {
    use xray_core::Recorder;
    use xray_core::emit::MemoryEmitter;
    use xray_core::sampling::Always;

    use super::*;

    #[test]
    fn a_rejected_document_is_found_by_its_id_and_without_an_id_another_is_counted() {
        let documents = MemoryEmitter::new();
        let recorder = Recorder::builder().environment(|_| None).sampling(Always).emitter(documents.clone());
        let recorder = recorder.build().unwrap();
        let ids: Vec<_> = (0..4)
            .map(|_| {
                let segment = recorder.begin("shop");
                segment.close();
                segment.id().unwrap().to_string()
            })
            .collect();
        let rejected = |unprocessed: serde_json::Value| {
            let body = json!({"UnprocessedTraceSegments": unprocessed}).to_string();
            let Reply::Accepted { rejected, .. } = unprocessed_of(&body, &documents.documents()) else { panic!() };
            rejected
        };
        let three = json!([
            {"Id": ids[2], "ErrorCode": "InvalidName", "Message": "bad"}, {"ErrorCode": "A"}, {"Id": "ff", "Message": "b"},
        ]);
        let want = [(2, "InvalidName: bad".to_owned()), (0, "A".to_owned()), (1, "b".to_owned())];
        assert_eq!(rejected(three), want);
        assert_eq!(rejected(json!([])), []);
        assert_eq!(rejected(json!(vec![json!({}); 9])).len(), 4, "a document was rejected twice");
    }

    #[test]
    fn an_unreadable_response_rejects_nothing() {
        for body in ["", "{}", "null", "[", r#"{"UnprocessedTraceSegments":7}"#] {
            let Reply::Accepted { rejected, .. } = unprocessed_of(body, &[]) else { panic!() };
            assert_eq!(rejected, [], "{body}");
        }
    }

    fn unprocessed_of(body: &str, batch: &[Document]) -> Reply {
        unprocessed(&Response::of_json(200, body), batch)
    }
}
