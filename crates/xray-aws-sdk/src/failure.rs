//! Why an operation failed: what the service said, or what happened on the way to it.

use std::error::Error as _;

use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryReason};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::ErrorKind;
use serde_json::Value;
use xray_core::Exception;

/// Larger answers are no errors of AWS.
const MAX_BODY: usize = 64 * 1024;

/// The codes that all of AWS uses for "slow down", for clients whose own classification is turned off.
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

pub(crate) struct Failure {
    pub(crate) exception: Exception,
    pub(crate) is_throttling: bool,
    /// The service said so with a status of 4xx.
    pub(crate) is_of_caller: bool,
}

impl Failure {
    pub(crate) fn of(
        error: &OrchestratorError<Error>,
        context: &InterceptorContext,
        components: &RuntimeComponents,
    ) -> Failure {
        let response = context.response();
        let (Some(of_service), Some(response)) = (error.as_operation_error(), response) else {
            return Failure::of_transport(error, response.is_some());
        };
        let ServiceError { code, message } = ServiceError::by(of_service, response);
        Failure {
            is_throttling: THROTTLING.contains(&&*code) || is_throttling(context, components),
            is_of_caller: response.status().is_client_error(),
            exception: Exception::new(code, message).remote(true),
        }
    }

    /// A time-out is this side's own decision, also in the middle of an answer.
    fn of_transport(error: &OrchestratorError<Error>, is_answered: bool) -> Failure {
        let source = error.source();
        let exception = match source {
            Some(source) if error.is_timeout_error() => Exception::new("TimeoutError", source.to_string()),
            Some(source) => Exception::from(source).remote(is_answered),
            None => Exception::from_dyn(error).remote(is_answered),
        };
        Failure { exception, is_throttling: false, is_of_caller: false }
    }
}

/// What the SDK itself takes the failure for, to retry it.
fn is_throttling(context: &InterceptorContext, components: &RuntimeComponents) -> bool {
    components.retry_classifiers().any(|classifier| match classifier.classify_retry(context) {
        RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) => kind == ErrorKind::ThrottlingError,
        _ => false,
    })
}

/// A service's error as it names it.
#[derive(Debug, PartialEq)]
struct ServiceError {
    code: String,
    message: String,
}

impl ServiceError {
    /// The error's type is generated and not known here. What it was made of is in the answer, in one of three
    /// forms; of an answer without a body there is what the type says of itself: `Code: message`.
    fn by(error: &Error, response: &HttpResponse) -> ServiceError {
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

/// Code and message of an error's answer.
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

/// `Code` of `namespace#Code` and of `Code:http://where/it/is/defined/`.
fn bare(code: &str) -> String {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim().to_owned()
}

/// The text of the first such element. Errors in XML have each but once, and no attributes: nothing else of XML is
/// understood here, so that nothing of it can do harm.
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
    fn errors_are_read_in_the_forms_of_all_protocols() {
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
        fn any_answer_is_read(header in proptest::option::of(".{0,20}"), body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(header.as_deref(), &body);
        }

        #[test]
        fn any_element_is_read(body in "(<|>|/|Code|Message|&amp;|é| ){0,24}") {
            let _ = read(None, body.as_bytes());
        }
    }
}
