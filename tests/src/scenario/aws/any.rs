//! Any operation of any service: a client built from the SDK's own parts, from the orchestrator to the retries, and a
//! request in the service's protocol. Parameters in URLs are left out, because the stub ignores them.

use std::error::Error;
use std::fmt;

use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::HttpStatusCodeClassifier;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::telemetry::{CapturedTelemetryAttributes, RequestedTelemetryAttributes};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::region::Region;
use serde_json::{Map, Value};
use xray_aws_sdk::XRayInterceptor;

use super::{REGION, Scenario, real};

/// The request format of a service.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    /// A JSON object, and a header that names the operation.
    Json,
    /// A form.
    Query,
    /// URLs and headers; the body is the caller's data, or XML.
    Rest,
    /// URLs and headers, with a JSON object as the body.
    RestJson,
}

impl Protocol {
    fn of(service: &str, operation: &str) -> Protocol {
        match service {
            "AutoScaling"
            | "CloudFormation"
            | "ElastiCache"
            | "ElasticLoadBalancingv2"
            | "IAM"
            | "RDS"
            | "Redshift"
            | "SES"
            | "SNS"
            | "STS" => Protocol::Query,
            "CloudFront" | "Route53" | "S3" | "SageMakerRuntime" => Protocol::Rest,
            "Lambda" if operation.starts_with("Invoke") => Protocol::Rest,
            "APIGateway" | "Batch" | "Bedrock" | "EKS" | "Lambda" | "Scheduler" | "SESv2" | "XRay" => {
                Protocol::RestJson
            }
            _ => Protocol::Json,
        }
    }

    fn request(self, operation: &str, input: &Map<String, Value>) -> Result<HttpRequest, BoxError> {
        let (content_type, body) = match self {
            Protocol::Json => ("application/x-amz-json-1.1", Value::from(input.clone()).to_string()),
            Protocol::RestJson => ("application/json", Value::from(input.clone()).to_string()),
            Protocol::Query => ("application/x-www-form-urlencoded", form(operation, input)),
            Protocol::Rest => ("application/octet-stream", String::new()),
        };
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        request.headers_mut().try_insert("content-type", content_type)?;
        for (name, value) in input {
            // REST services send enumerations as headers.
            if let (Protocol::Rest, Some(text)) = (self, value.as_str().filter(|text| text.is_ascii())) {
                let _ = request.headers_mut().try_insert(header_of(name), text.to_owned());
            }
        }
        Ok(request)
    }
}

/// Returns the header for a member, such as `x-amz-invocation-type` for `InvocationType`.
fn header_of(member: &str) -> String {
    format!("x-amz-{}", xray_aws_sdk::field_name(member).replace('_', "-"))
}

fn form(operation: &str, input: &Map<String, Value>) -> String {
    fn write(out: &mut String, name: &str, value: &Value) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| write(out, &format!("{name}.{key}"), value)),
            Value::Array(list) => {
                let numbered = list.iter().enumerate();
                numbered.for_each(|(at, value)| write(out, &format!("{name}.member.{}", at + 1), value));
            }
            value => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let text = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
                out.push_str(&format!("&{name}={text}"));
            }
        }
    }
    let mut out = format!("Action={operation}");
    input.iter().for_each(|(name, value)| write(&mut out, name, value));
    out
}

/// A service error in a client without modelled types.
#[derive(Debug)]
struct Failed(ErrorMetadata);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unhandled error")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl ProvideErrorMetadata for Failed {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// Captures the strings of an input, like the interceptor that is generated for each operation.
#[derive(Debug)]
struct Telling;

impl Intercept for Telling {
    fn name(&self) -> &'static str {
        "Telling"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input().downcast_ref::<Map<String, Value>>();
        if let (Some(input), Some(requested)) = (input, cfg.load::<RequestedTelemetryAttributes>()) {
            let mut told = CapturedTelemetryAttributes::new();
            for (name, value) in input {
                if let Some(text) = value.as_str().filter(|_| requested.should_capture(name)) {
                    told.insert(name, text);
                }
            }
            cfg.interceptor_state().store_put(told);
        }
        Ok(())
    }
}

/// Makes the call. Whether it succeeds depends on the scenario.
pub(super) async fn call(scenario: &Scenario, endpoint: &str) {
    let Scenario { client, command, input, .. } = scenario.clone();
    let protocol = Protocol::of(&client, &command);
    let mut layer = Layer::new("region");
    layer.store_put(Region::new(REGION));
    let operation = Operation::builder()
        .service_name(client)
        .operation_name(command.clone())
        .http_client(real::http_client())
        .endpoint_url(endpoint)
        .no_auth()
        .standard_retry(&real::retries())
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(AwsErrorCodeClassifier::<Failed>::new())
        .timeout_config(TimeoutConfig::disabled())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .interceptor(XRayInterceptor::new())
        .interceptor(Telling)
        .runtime_plugin(StaticRuntimePlugin::new().with_config(layer.freeze()))
        .serializer(move |input: Map<String, Value>| protocol.request(&command, &input))
        .deserializer::<(), Failed>(read)
        .build();
    let _ = operation.invoke(input).await;
}

fn read(response: &HttpResponse) -> Result<(), OrchestratorError<Failed>> {
    if response.status().is_success() {
        return Ok(());
    }
    let document: Value = serde_json::from_slice(response.body().bytes().unwrap_or_default()).unwrap_or_default();
    let mut error = ErrorMetadata::builder();
    if let Some(code) = document["__type"].as_str() {
        error = error.code(code.rsplit('#').next().unwrap_or(code));
    }
    Err(OrchestratorError::operation(Failed(error.build())))
}
