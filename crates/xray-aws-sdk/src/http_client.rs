//! An HTTP client for the shared configuration, which traces clients that have no interceptor.

use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::config_bag::ConfigBag;
use xray_core::adapter::{CONTENT_LENGTH, content_length};
use xray_core::context::current_for_call;
use xray_core::http::{HttpResponse, flags_of_status};
use xray_core::{Aws, Exception, Namespace, Subsegment};

use crate::call::{SeenByInterceptor, insert_trace_header};
use crate::opt_out::NoHeader;

/// The names of crates, as requests have them, and the names of their services in the service map.
const NAMES: [(&str, &str); 10] = [
    ("dynamodb", "DynamoDB"),
    ("eventbridge", "EventBridge"),
    ("kinesis", "Kinesis"),
    ("kms", "KMS"),
    ("lambda", "Lambda"),
    ("s3", "S3"),
    ("secretsmanager", "SecretsManager"),
    ("sfn", "SFN"),
    ("sns", "SNS"),
    ("sqs", "SQS"),
];

/// Records the calls of clients that have no [`XRayInterceptor`](crate::XRayInterceptor), at the level of HTTP. It
/// covers every client that uses the application's shared configuration.
///
/// ```no_run
/// use xray_aws_sdk::XRayHttpClient;
///
/// # fn configure(config: aws_types::SdkConfig) {
/// if let Some(inner) = config.http_client() {
///     let config = config.to_builder().http_client(XRayHttpClient::new(inner)).build();
/// #   drop(config);
/// }
/// # }
/// ```
///
/// This is a fallback for clients that libraries create. At this level calls are HTTP requests, so it records less:
///
/// - Each *attempt* is a subsegment, which ends with the response headers; `retries` is the number of the attempt.
/// - Services have the names of their crates, except the most common ones. The operation is known for services that
///   speak AWS JSON, and for S3; for others, the HTTP method is recorded instead.
/// - There are no parameters, and errors have only their status.
///
/// It passes these requests through unchanged:
///
/// - requests of clients with an interceptor;
/// - requests to anything but AWS services;
/// - requests by which credential providers obtain credentials, also if this client is given to the loader of
///   `aws-config`: all requests to IMDS, to container credentials, to SSO OIDC and to sign-in, `GetRoleCredentials` of
///   SSO, and the `AssumeRole` operations of STS. To trace an application's own calls of `AssumeRole`, use a client
///   with an interceptor.
#[derive(Clone, Debug)]
pub struct XRayHttpClient {
    inner: SharedHttpClient,
}

impl XRayHttpClient {
    /// Wraps `inner` and records its requests.
    pub fn new(inner: impl IntoShared<SharedHttpClient>) -> XRayHttpClient {
        XRayHttpClient { inner: inner.into_shared() }
    }
}

impl HttpClient for XRayHttpClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { inner: self.inner.http_connector(settings, components) })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_base_client_config(&self.inner, components, cfg)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, cfg: &ConfigBag) -> Result<(), BoxError> {
        HttpClient::validate_final_config(&self.inner, components, cfg)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

struct Connector {
    inner: SharedHttpConnector,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let Some(service) = service(&request).filter(|_| request.extension::<SeenByInterceptor>().is_none()) else {
            return self.inner.call(request);
        };
        let parent = current_for_call(service);
        if parent.trace_id().is_none() {
            return self.inner.call(request);
        }
        let subsegment = parent.subsegment(service);
        if subsegment.is_recording() {
            subsegment.set_namespace(Namespace::Aws).set_aws(&aws(&request));
        }
        // The signature does not cover this header.
        if request.extension::<NoHeader>().is_none() {
            insert_trace_header(&subsegment, &mut request);
        }
        let attempt = Attempt { subsegment, is_finished: false };
        let response = self.inner.call(request);
        if !attempt.subsegment.is_recording() {
            return response;
        }
        HttpConnectorFuture::new(async move {
            let mut attempt = attempt;
            let result = response.await;
            attempt.is_finished = true;
            let subsegment = &attempt.subsegment;
            match &result {
                Ok(response) => {
                    let (status, headers) = (response.status().as_u16(), response.headers());
                    let length = headers.get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
                    subsegment.set_http_response(&HttpResponse::new(status).content_length(length));
                    for flag in flags_of_status(status) {
                        subsegment.mark(*flag);
                    }
                }
                Err(error) => {
                    subsegment.fault(error);
                }
            }
            result
        })
    }
}

/// Closes the subsegment when dropped. An attempt dropped before its response is recorded as cancelled.
struct Attempt {
    subsegment: Subsegment,
    is_finished: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_finished && self.subsegment.is_recording() && !std::thread::panicking() {
            self.subsegment.fault(Exception::new("Cancelled", "the call was dropped before its response"));
        }
    }
}

/// Returns the name of the called service, or `None` for requests that are not traced.
fn service(request: &HttpRequest) -> Option<&str> {
    let api = api(request).filter(|api| !is_of_credentials(api, request))?;
    Some(NAMES.iter().find(|(of_crate, _)| *of_crate == api).map_or(api, |(_, name)| name))
}

/// Returns the service's crate name, from `api/dynamodb/1.136.0` in the user agent. The client for container
/// credentials sends none.
fn api(request: &HttpRequest) -> Option<&str> {
    let agent = request.headers().get("user-agent")?;
    let api = agent.split(' ').find_map(|product| product.strip_prefix("api/"))?;
    api.split(['/', '#']).next()
}

/// Whether a credential provider makes this request. The SDK sends such requests through the configured HTTP client
/// while a call waits to be signed, and nothing else distinguishes them from calls of the application.
fn is_of_credentials(api: &str, request: &HttpRequest) -> bool {
    match api {
        "imds" | "signin" | "ssooidc" => true,
        "sso" => request.uri().contains("/federation/credentials"),
        "sts" => {
            let body = request.body().bytes().unwrap_or_default();
            body.split(|byte| *byte == b'&').any(|pair| pair.starts_with(b"Action=AssumeRole"))
        }
        _ => false,
    }
}

fn aws(request: &HttpRequest) -> Aws {
    let headers = request.headers();
    let target = headers.get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let query = || request.uri().split('?').nth(1)?.split('&').find_map(|pair| pair.strip_prefix("x-id="));
    let aws = Aws::operation(target.or_else(query).unwrap_or(request.method()));
    // `Credential=AKID/20260101/eu-west-1/s3/aws4_request`
    let scope = headers.get("authorization").and_then(|signed| signed.split("Credential=").nth(1));
    let aws = match scope.and_then(|scope| scope.split('/').nth(2)) {
        Some(region) => aws.region(region),
        None => aws,
    };
    let attempt = headers.get("amz-sdk-request").and_then(|value| value.strip_prefix("attempt="));
    let attempt = attempt.and_then(|value| value.split(';').next()?.parse::<u32>().ok());
    aws.retries(attempt.unwrap_or(1).saturating_sub(1))
}
