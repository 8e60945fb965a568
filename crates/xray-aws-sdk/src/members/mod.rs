//! The members of requests and responses that an allowlist names, looked for without knowing any service's types.
//!
//! The SDK itself tells those texts of an input that are not sensitive. The others stand in bodies, which are read
//! by content type alone, and only where something is still wanted that only they can have.

mod form;
mod json;

use std::borrow::Cow;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::telemetry::CapturedTelemetryAttributes;
use serde_json::Value;
use serde_json::value::RawValue;
use xray_core::Aws;

use crate::allowlist::{Parameter, Parameters, Source, Take, service_key};

/// Larger bodies are not read.
const MAX_BODY: usize = 64 * 1024;
/// Texts and lists are cut there. Larger objects are not recorded.
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
pub(crate) type Found<'a> = Vec<(&'a str, Member<'a>)>;

/// The value of a member, copied nowhere yet.
#[derive(Debug)]
pub(crate) enum Member<'a> {
    Text(Cow<'a, str>),
    /// As it stands in a body.
    Json(&'a RawValue),
    /// What is made of a value, or for want of one.
    Made(Value),
}

/// Adds what was found, within bounds.
pub(crate) fn record(found: Found<'_>, aws: Aws) -> Aws {
    found.into_iter().fold(aws, |aws, (name, member)| match member {
        Member::Text(text) => aws.parameter(name, cut(&text)),
        Member::Json(json) if json.get() == "null" => aws,
        Member::Json(json) if json.get().len() <= MAX_VALUE => aws.parameter(name, json),
        Member::Json(json) => match serde_json::from_str(json.get()) {
            Ok(value) => record_large(aws, name, value),
            Err(_) => aws,
        },
        Member::Made(value) if value.to_string().len() <= MAX_VALUE => aws.parameter(name, &value),
        Member::Made(value) => record_large(aws, name, value),
    })
}

/// Adds the beginning of a text or a list. Objects have none.
fn record_large(aws: Aws, name: &str, value: Value) -> Aws {
    match value {
        Value::String(text) => aws.parameter(name, cut(&text)),
        Value::Array(mut items) => {
            let mut left = MAX_VALUE;
            let fitting = items.iter().take_while(|item| {
                let rest = left.checked_sub(item.to_string().len() + 1);
                left = rest.unwrap_or_default();
                rest.is_some()
            });
            let fitting = fitting.count();
            items.truncate(fitting);
            if items.is_empty() { aws } else { aws.parameter(name, &items) }
        }
        _ => aws,
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_VALUE)]
}

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
pub(crate) fn of_request<'a>(
    parameters: &'a Parameters,
    operation: &Metadata,
    told: Option<&'a CapturedTelemetryAttributes>,
    request: &'a HttpRequest,
) -> (Found<'a>, Form) {
    let form = Form::of(request.headers());
    let search = Search { operation, form, headers: request.headers(), body: request.body() };
    let found = search.look_for(parameters.requested(), |parameter| match parameter.source() {
        Source::Member => Some(Member::Text(told?.get(parameter.member())?.into())),
        Source::Header(name) => request.headers().get(&**name).map(|text| Member::Text(text.into())),
        Source::Status => None,
    });
    (found, form)
}

pub(crate) fn of_response<'a>(
    parameters: &'a Parameters,
    operation: &Metadata,
    asked: Form,
    response: &'a HttpResponse,
) -> Found<'a> {
    let headers = response.headers();
    // A request in AWS JSON is answered in it, whatever the answer says: not all stand-ins for AWS say the same.
    let form = if asked == Form::Json { asked } else { Form::of(headers) };
    let search = Search { operation, form, headers, body: response.body() };
    search.look_for(parameters.responded(), |parameter| match parameter.source() {
        Source::Member => None,
        Source::Header(name) => response.headers().get(&**name).map(|text| Member::Text(text.into())),
        Source::Status => Some(Member::Made(response.status().as_u16().into())),
    })
}

/// One message, request or response.
struct Search<'o, 'a> {
    operation: &'o Metadata,
    form: Form,
    headers: &'a Headers,
    body: &'a SdkBody,
}

impl<'a> Search<'_, 'a> {
    /// `known` gives what is to be had without the body.
    fn look_for(
        &self,
        parameters: impl Iterator<Item = &'a Parameter>,
        known: impl Fn(&'a Parameter) -> Option<Member<'a>>,
    ) -> Found<'a> {
        let (mut found, mut wanted) = (Found::new(), Vec::new());
        for parameter in parameters {
            match known(parameter) {
                Some(value) if parameter.take() == Take::Value => found.push((parameter.field(), value)),
                _ if *parameter.source() == Source::Member => wanted.push(parameter),
                _ => {}
            }
        }
        if !wanted.is_empty() {
            self.read_body(&wanted, &mut found);
        }
        found
    }

    fn read_body(&self, wanted: &[&'a Parameter], found: &mut Found<'a>) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::allowlist::Parameter;

    fn request(content_type: &'static str, body: impl Into<SdkBody>) -> HttpRequest {
        let mut request = HttpRequest::new(body.into());
        if !content_type.is_empty() {
            request.headers_mut().insert("content-type", content_type);
        }
        request
    }

    /// The `aws` block with these members, as JSON, without its operation.
    fn recorded(found: Found<'_>) -> Value {
        let (recorder, traces) = xray_core::Recorder::in_memory();
        let segment = recorder.begin("shop");
        segment.subsegment("call").set_aws(&record(found, Aws::operation("X")));
        segment.close();
        let mut aws = traces.take().single().find("call").json()["aws"].clone();
        aws.as_object_mut().unwrap().remove("operation");
        aws
    }

    /// Some members of a request of `service`.
    fn found(service: &'static str, operation: &'static str, request: &HttpRequest) -> Value {
        let parameters = Parameters::new()
            .request("Name")
            .request("Limit")
            .request(Parameter::count("List"))
            .request(Parameter::keys("Map"))
            .request(Parameter::header("Kind", "x-kind"));
        recorded(of_request(&parameters, &Metadata::new(operation, service), None, request).0)
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
        let long = "ä".repeat(2000);
        let raw = |value: Value| RawValue::from_string(value.to_string()).unwrap();
        let (quoted, list) = (raw(json!(long)), raw(json!(vec![7; 10_000])));
        let object = raw(json!({"a": long}));
        let found = vec![
            ("text", Member::Text(long.as_str().into())),
            ("json", Member::Json(&quoted)),
            ("list", Member::Json(&list)),
            ("keys", Member::Made(vec!["key"; 1000].into())),
            ("object", Member::Json(&object)),
            ("one", Member::Made(vec![long.as_str()].into())),
        ];
        let cut = "ä".repeat(1024);
        assert_eq!(recorded(found), json!({"text": cut, "json": cut, "list": vec![7; 1024], "keys": vec!["key"; 341]}));
    }
}
