//! Why an operation failed: the error of the service, or of the transport.

use std::error::Error as _;

use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryReason};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::ErrorKind;
use serde_json::Value;
use xray_core::Exception;

/// Larger bodies are not parsed; no error document of AWS reaches this size.
const MAX_BODY: usize = 64 * 1024;

/// The throttling codes common to all AWS services, for clients whose own retry classification is turned off.
const THROTTLING: [&str; 14] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

pub(crate) struct CallFailure {
    pub(crate) exception: Exception,
    pub(crate) is_throttling: bool,
    /// Whether the service responded with a 4xx status.
    pub(crate) is_client_error: bool,
}

impl CallFailure {
    pub(crate) fn of(
        error: &OrchestratorError<Error>,
        context: &InterceptorContext,
        components: &RuntimeComponents,
    ) -> CallFailure {
        let response = context.response();
        let (Some(of_service), Some(response)) = (error.as_operation_error(), response) else {
            return CallFailure::of_transport(error, response.is_some());
        };
        let ServiceError { code, message } = ServiceError::from_response(of_service, response);
        CallFailure {
            is_throttling: THROTTLING.contains(&&*code) || is_throttling(context, components),
            is_client_error: response.status().is_client_error(),
            exception: Exception::new(code, message).remote(true),
        }
    }

    /// A failure without an error document of the service. It is remote if there `is_response`, unless it is a
    /// timeout: that is a local decision, even in the middle of a response.
    fn of_transport(error: &OrchestratorError<Error>, is_response: bool) -> CallFailure {
        let source = error.source();
        let exception = match source {
            Some(source) if error.is_timeout_error() => Exception::new("TimeoutError", source.to_string()),
            Some(source) => Exception::from(source).remote(is_response),
            None => Exception::from_dyn(error).remote(is_response),
        };
        CallFailure { exception, is_throttling: false, is_client_error: false }
    }
}

/// Whether the SDK's retry classifiers take the failure for throttling.
fn is_throttling(context: &InterceptorContext, components: &RuntimeComponents) -> bool {
    components.retry_classifiers().any(|classifier| match classifier.classify_retry(context) {
        RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) => kind == ErrorKind::ThrottlingError,
        _ => false,
    })
}

/// Code and message of a service's error.
#[derive(Debug, PartialEq)]
struct ServiceError {
    code: String,
    message: String,
}

impl ServiceError {
    /// Reads the error from the response, since its generated type is unknown here. If the response has no body, the
    /// type's own text is used: `Code: message`.
    fn from_response(error: &Error, response: &HttpResponse) -> ServiceError {
        let body = response.body().bytes().filter(|body| body.len() <= MAX_BODY).unwrap_or_default();
        let (code, message) = read(response.headers().get("x-amzn-errortype"), body);
        let shown = match error.source() {
            Some(source) => Exception::from(source),
            None => Exception::from_dyn(error),
        };
        let unmodelled = error.source().and_then(|source| source.downcast_ref::<ErrorMetadata>());
        let own = || match unmodelled {
            Some(metadata) => (metadata.code().unwrap_or("Unknown"), metadata.message().unwrap_or_default()),
            None => (shown.kind(), shown.message()),
        };
        let code = code.unwrap_or_else(|| own().0.to_owned());
        let message = message.unwrap_or_else(|| {
            let (kind, text) = own();
            text.strip_prefix(kind).and_then(|text| text.strip_prefix(": ")).unwrap_or(text).to_owned()
        });
        ServiceError { code, message }
    }
}

/// Returns code and message from the header and body of an error response.
fn read(header: Option<&str>, body: &[u8]) -> (Option<String>, Option<String>) {
    if body.trim_ascii_start().starts_with(b"{") {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |names: &[&str]| names.iter().find_map(|name| Some(document[name].as_str()?.to_owned()));
        let code = header.map(str::to_owned).or_else(|| text(&["__type", "code", "Code"]));
        (code.map(|code| bare(&code)), text(&["message", "Message", "errorMessage"]))
    } else {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let code = header.map(bare).or_else(|| element(text, "Code"));
        (code, element(text, "Message"))
    }
}

/// Returns the bare code from `namespace#Code` or `Code:http://where/it/is/defined/`.
fn bare(code: &str) -> String {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim().to_owned()
}

/// Returns the text of the first element with this name. Error documents have each element once and without attributes.
/// No other part of XML is interpreted, so hostile documents have no effect.
fn element(text: &str, name: &str) -> Option<String> {
    let begin = text.find(&format!("<{name}>"))? + name.len() + 2;
    let length = text[begin..].find(&format!("</{name}>"))?;
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    let text = text[begin..begin + length].trim().to_owned();
    Some(entities.into_iter().fold(text, |text, (entity, means)| text.replace(entity, means)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_of_all_protocols_are_parsed() {
        for (header, body, code, message) in [
            (None, r#"{"__type":"com.amazonaws.dynamodb#NoTable","message":"no"}"#, Some("NoTable"), Some("no")),
            (None, r#"{"__type":"NoTable","Message":"no"}"#, Some("NoTable"), Some("no")),
            (Some("NoFunction:http://internal/"), r#"{"Type":"User","Message":"no"}"#, Some("NoFunction"), Some("no")),
            (Some("a.b#Denied:"), "", Some("Denied"), None),
            (None, r#"{"code":"Denied","errorMessage":"no"}"#, Some("Denied"), Some("no")),
            (
                None,
                "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>a &lt;key&gt; &amp;lt;</Message></Error>",
                Some("NoSuchKey"),
                Some("a <key> &lt;"),
            ),
            (
                None,
                "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>no</Message></Error></ErrorResponse>",
                Some("NotFound"),
                Some("no"),
            ),
            (None, r#"{"__type":"Cut","mess"#, None, None),
            (None, r#"{"__type":7,"message":[]}"#, None, None),
            (None, "<Code>cut", None, None),
            (None, "<!DOCTYPE x [<!ENTITY a \"&a;&a;\">]><x>&a;</x>", None, None),
            (None, "\u{0}", None, None),
        ] {
            let want = (code.map(str::to_owned), message.map(str::to_owned));
            assert_eq!(read(header, body.as_bytes()), want, "{body}");
        }
        assert_eq!(read(None, b"\xff<Code>x</Code>"), (None, None));
    }

    proptest! {
        #[test]
        fn any_response_is_parsed_without_a_panic(header in proptest::option::of(".{0,20}"), body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(header.as_deref(), &body);
        }

        #[test]
        fn any_element_is_parsed_without_a_panic(body in "(<|>|/|Code|Message|&amp;|é| ){0,24}") {
            let _ = read(None, body.as_bytes());
        }
    }
}
