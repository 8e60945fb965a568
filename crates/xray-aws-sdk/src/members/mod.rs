//! The members of requests and responses that a whitelist names, looked for without knowing any service's types.
//!
//! The SDK itself tells those texts of an input that are not sensitive. The others stand in bodies, which are read
//! by content type alone, and only where something is still wanted that only they can have.

mod form;
mod json;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::telemetry::CapturedTelemetryAttributes;
use serde_json::Value;

use crate::whitelist::{Parameter, Parameters, Source, Take, service_key};

/// Larger bodies are not read.
const MAX_BODY: usize = 64 * 1024;
/// Larger values are not recorded; texts are cut.
const MAX_VALUE: usize = 2 * 1024;

/// REST services whose JSON bodies are, or may be, the application's own data. An empty operation means all.
const PAYLOADS: [(&str, &str); 10] = [
    ("apigatewaymanagementapi", ""),
    ("appconfigdata", ""),
    ("bedrockagentcore", ""),
    ("bedrockruntime", "Invoke"),
    ("iotdataplane", ""),
    ("lambda", "Invoke"),
    ("mediastoredata", ""),
    ("s3", ""),
    ("sagemakerruntime", ""),
    ("sagemakerruntimehttp2", ""),
];

/// Names and values, as documents have them.
pub(crate) type Found = Vec<(String, Value)>;

/// How the bodies of an operation are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// AWS JSON, where a body is always the document of inputs or outputs.
    Json,
    /// REST with JSON, where it may also be data of the application.
    RestJson,
    Query,
    Unread,
}

impl Form {
    fn of(headers: &Headers) -> Form {
        let content_type = headers.get("content-type").unwrap_or_default();
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/x-amz-json-1.0" | "application/x-amz-json-1.1" => Form::Json,
            "application/json" => Form::RestJson,
            "application/x-www-form-urlencoded" => Form::Query,
            _ => Form::Unread,
        }
    }
}

/// The form of the request comes along.
pub(crate) fn of_request(
    parameters: &Parameters,
    operation: &Metadata,
    told: Option<&CapturedTelemetryAttributes>,
    request: &HttpRequest,
) -> (Found, Form) {
    let form = Form::of(request.headers());
    let search = Search { operation, form, headers: request.headers(), body: request.body() };
    let found = search.look_for(parameters.requested(), |parameter| match parameter.source() {
        Source::Member => Some(Value::from(told?.get(parameter.member())?)),
        Source::Header(name) => request.headers().get(&**name).map(Value::from),
        Source::Status => None,
    });
    (found, form)
}

pub(crate) fn of_response(
    parameters: &Parameters,
    operation: &Metadata,
    asked: Form,
    response: &HttpResponse,
) -> Found {
    let headers = response.headers();
    // A request in AWS JSON is answered in it, whatever the answer says: not all stand-ins for AWS say the same.
    let form = if asked == Form::Json { asked } else { Form::of(headers) };
    let search = Search { operation, form, headers, body: response.body() };
    search.look_for(parameters.responded(), |parameter| match parameter.source() {
        Source::Member => None,
        Source::Header(name) => response.headers().get(&**name).map(Value::from),
        Source::Status => Some(response.status().as_u16().into()),
    })
}

/// One message, request or response.
struct Search<'a> {
    operation: &'a Metadata,
    form: Form,
    headers: &'a Headers,
    body: &'a SdkBody,
}

impl Search<'_> {
    /// `known` gives what is to be had without the body.
    fn look_for<'p>(
        &self,
        parameters: impl Iterator<Item = &'p Parameter>,
        known: impl Fn(&Parameter) -> Option<Value>,
    ) -> Found {
        let (mut found, mut wanted) = (Found::new(), Vec::new());
        for parameter in parameters {
            match known(parameter) {
                Some(value) if parameter.take() == Take::Value => found.push((parameter.field().to_owned(), value)),
                _ if *parameter.source() == Source::Member => wanted.push(parameter),
                _ => {}
            }
        }
        if !wanted.is_empty() {
            self.read_body(&wanted, &mut found);
        }
        found.into_iter().filter_map(|(name, value)| Some((name, bounded(value)?))).collect()
    }

    fn read_body(&self, wanted: &[&Parameter], found: &mut Found) {
        // A streamed body, or one on its way to the application, is not in memory.
        let Some(body) = self.body.bytes().filter(|body| (1..=MAX_BODY).contains(&body.len())) else { return };
        if self.headers.contains_key("content-encoding") {
            return;
        }
        match self.form {
            Form::Json => json::read(body, wanted, found),
            Form::RestJson if !self.is_payload() => json::read(body, wanted, found),
            Form::Query => form::read(body, wanted, found),
            Form::RestJson | Form::Unread => {}
        }
    }

    fn is_payload(&self) -> bool {
        let key = service_key(self.operation.service());
        PAYLOADS.iter().any(|(service, operation)| key == *service && self.operation.name().starts_with(operation))
    }
}

fn bounded(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(mut text) => {
            text.truncate(text.floor_char_boundary(MAX_VALUE));
            Some(text.into())
        }
        Value::Array(_) | Value::Object(_) => Some(value).filter(|value| value.to_string().len() <= MAX_VALUE),
        _ => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::whitelist::Parameter;

    fn request(content_type: &'static str, body: impl Into<SdkBody>) -> HttpRequest {
        let mut request = HttpRequest::new(body.into());
        if !content_type.is_empty() {
            request.headers_mut().insert("content-type", content_type);
        }
        request
    }

    /// Some members of a request of `service`, as a JSON object.
    fn found(service: &'static str, operation: &'static str, request: &HttpRequest) -> Value {
        let parameters = Parameters::new()
            .request("Name")
            .request("Limit")
            .request(Parameter::count("List"))
            .request(Parameter::keys("Map"))
            .request(Parameter::header("Kind", "x-kind"));
        of_request(&parameters, &Metadata::new(operation, service), None, request)
            .0
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    const JSON: &str = r#"{"Name":"n","Limit":7,"List":[1,{"Name":"inner"}],"Map":{"a":1,"b":{}},"Other":[[]]}"#;

    #[test]
    fn bodies_are_read_by_their_content_type() {
        let all = json!({"name": "n", "limit": 7, "list": 2, "map": ["a", "b"]});
        for (content_type, body, want) in [
            ("application/x-amz-json-1.0", JSON, all.clone()),
            ("application/x-amz-json-1.1; charset=utf-8", JSON, all.clone()),
            ("application/json", JSON, all.clone()),
            (
                "application/x-www-form-urlencoded",
                "Action=X&Name=n&Limit=7&List.member.1.A=1&List.member.1.B=2&List.member.2.A=1&Map.entry.1.key=a&Map.entry.1.value=1&Map.entry.2.key=b&Map.entry.2.value=2",
                all,
            ),
            ("", JSON, json!({})),
            ("text/plain", JSON, json!({})),
            ("application/octet-stream", JSON, json!({})),
            ("application/cbor", JSON, json!({})),
            ("application/xml", "<Name>n</Name>", json!({})),
        ] {
            assert_eq!(found("DynamoDB", "Scan", &request(content_type, body)), want, "{content_type}");
        }
    }

    #[test]
    fn the_applications_own_data_is_not_read() {
        let request = request("application/json", JSON);
        for (service, operation, is_read) in [
            ("S3", "PutObject", false),
            ("Lambda", "Invoke", false),
            ("Lambda", "InvokeAsync", false),
            ("Lambda", "CreateFunction", true),
            ("Bedrock Runtime", "InvokeModel", false),
            ("IoT Data Plane", "Publish", false),
        ] {
            let found = found(service, operation, &request);
            assert_eq!(found.get("name").is_some(), is_read, "{service} {operation}");
        }
    }

    #[test]
    fn what_is_odd_costs_no_more_than_the_member() {
        let json = "application/x-amz-json-1.0";
        let deep = format!(r#"{{"Name":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
        let large = format!(r#"{{"Name":"n","Other":"{}"}}"#, "x".repeat(10_000_000));
        for (body, want) in [
            (String::new(), json!({})),
            ("null".into(), json!({})),
            ("[]".into(), json!({})),
            (JSON[..60].into(), json!({})),
            (format!("{JSON}{JSON}"), json!({})),
            (deep, json!({})),
            (large, json!({})),
            (r#"{"Name":null,"Limit":null,"List":null,"Map":null}"#.into(), json!({"list": 0})),
            (r#"{"Name":{"a":1},"List":{},"Map":[]}"#.into(), json!({"name": {"a": 1}})),
            (r#"{"name":"n","NAME":"n"}"#.into(), json!({})),
        ] {
            let start = body.get(..40).unwrap_or(&body).to_owned();
            assert_eq!(found("DynamoDB", "Scan", &request(json, body)), want, "{start}");
        }
        let mut encoded = request(json, JSON);
        encoded.headers_mut().insert("content-encoding", "gzip");
        assert_eq!(found("DynamoDB", "Scan", &encoded), json!({}));
        let mut with_header = request(json, "{}");
        with_header.headers_mut().insert("x-kind", "odd");
        assert_eq!(found("DynamoDB", "Scan", &with_header), json!({"kind": "odd"}));
        let stream = SdkBody::from_body_1_x(SdkBody::from(JSON));
        assert_eq!(found("DynamoDB", "Scan", &request(json, stream)), json!({}));
    }

    #[test]
    fn large_values_are_cut_or_left_out() {
        assert_eq!(bounded("ä".repeat(2000).into()), Some("ä".repeat(1024).into()));
        assert_eq!(bounded(vec![7; 2000].into()), None);
        assert_eq!(bounded(json!([7])), Some(json!([7])));
    }
}
