//! Errors of the API, in the form in which the AWS SDKs make typed exceptions of them.

use crate::filter::FilterError;

/// An error of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// 4xx: SDKs retry 5xx, which does not help against invalid input.
    pub(crate) status: u16,
    /// The name of the exception.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
        ApiError { status: 400, kind: "InvalidRequestException", message: message.into() }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> ApiError {
        ApiError { status: 404, kind: "ResourceNotFoundException", message: message.into() }
    }

    pub(crate) fn too_many_rules(message: impl Into<String>) -> ApiError {
        ApiError { status: 400, kind: "RuleLimitExceededException", message: message.into() }
    }

    pub(crate) fn unknown_operation(path: &str) -> ApiError {
        let message = format!("unknown operation {path}");
        ApiError { status: 400, kind: "UnknownOperationException", message }
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> ApiError {
        ApiError::invalid(error.to_string())
    }
}
