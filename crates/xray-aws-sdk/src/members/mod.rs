//! Finds the members of requests and responses that an allowlist names, without knowing the types of any service.
//!
//! The SDK itself captures strings of the input that are not sensitive. Other members are in bodies. A body is parsed
//! by its content type, and only if it is the only place that a wanted member can be in.

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

/// Larger bodies are not parsed.
const MAX_BODY: usize = 64 * 1024;
/// Strings and lists are cut at this length. Larger objects are not recorded.
const MAX_VALUE: usize = 2 * 1024;

/// Services and operations of REST services whose JSON bodies may be the application's own data. The second text is the
/// prefix of the operation.
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

/// Names, as in segment documents, and values.
pub(crate) type Found<'a> = Vec<(&'a str, Member<'a>)>;

/// The value of a member, borrowed where possible.
#[derive(Debug)]
pub(crate) enum Member<'a> {
    Text(Cow<'a, str>),
    /// The text of the value in a JSON body.
    Json(&'a RawValue),
    /// A value computed from the message, such as a count.
    Computed(Value),
}

/// Adds the members to the `aws` block, within the limits.
pub(crate) fn record(found: Found<'_>, aws: Aws) -> Aws {
    found.into_iter().fold(aws, |aws, (name, member)| match member {
        Member::Text(text) => aws.parameter(name, cut(&text)),
        Member::Json(json) if json.get() == "null" => aws,
        Member::Json(json) if json.get().len() <= MAX_VALUE => aws.parameter(name, json),
        Member::Json(json) => match serde_json::from_str(json.get()) {
            Ok(value) => record_large(aws, name, value),
            Err(_) => aws,
        },
        Member::Computed(value) if value.to_string().len() <= MAX_VALUE => aws.parameter(name, &value),
        Member::Computed(value) => record_large(aws, name, value),
    })
}

/// Adds the beginning of a string or list, and leaves out an object.
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

/// The encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// AWS JSON, whose bodies are always the input or output document.
    Json,
    /// REST with JSON, whose bodies may also be the application's data.
    RestJson,
    /// The form encoding of the query protocol.
    Query,
    /// Any other encoding; the body is not parsed.
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

/// Finds the members of a request, and returns its form as well.
pub(crate) fn of_request<'a>(
    parameters: &'a Parameters,
    operation: &Metadata,
    captured: Option<&'a CapturedTelemetryAttributes>,
    request: &'a HttpRequest,
) -> (Found<'a>, Form) {
    let form = Form::of(request.headers());
    let search = Search { operation, form, headers: request.headers(), body: request.body() };
    let found = search.find(parameters.requested(), |parameter| match parameter.source() {
        Source::Member => Some(Member::Text(captured?.get(parameter.member())?.into())),
        Source::Header(name) => request.headers().get(&**name).map(|text| Member::Text(text.into())),
        Source::Status => None,
    });
    (found, form)
}

/// Finds the members of a response.
pub(crate) fn of_response<'a>(
    parameters: &'a Parameters,
    operation: &Metadata,
    request_form: Form,
    response: &'a HttpResponse,
) -> Found<'a> {
    let headers = response.headers();
    // The response to a request in AWS JSON is AWS JSON too, although some emulators of AWS send another content type.
    let form = if request_form == Form::Json { request_form } else { Form::of(headers) };
    let search = Search { operation, form, headers, body: response.body() };
    search.find(parameters.responded(), |parameter| match parameter.source() {
        Source::Member => None,
        Source::Header(name) => response.headers().get(&**name).map(|text| Member::Text(text.into())),
        Source::Status => Some(Member::Computed(response.status().as_u16().into())),
    })
}

/// A search in one request or response.
struct Search<'o, 'a> {
    operation: &'o Metadata,
    form: Form,
    headers: &'a Headers,
    body: &'a SdkBody,
}

impl<'a> Search<'_, 'a> {
    /// Finds members. `known` returns those that need no parsing of the body.
    fn find(
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
        // Streamed bodies are not in memory.
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

    /// Returns the `aws` block with these members, as JSON, without its operation.
    fn recorded(found: Found<'_>) -> Value {
        let (recorder, traces) = xray_core::Recorder::in_memory();
        let segment = recorder.begin("shop");
        segment.subsegment("call").set_aws(&record(found, Aws::operation("X")));
        segment.close();
        let mut aws = traces.take().single().find("call").json()["aws"].clone();
        aws.as_object_mut().unwrap().remove("operation");
        aws
    }

    /// Searches a request of `service` for some members.
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
    fn bodies_are_parsed_by_their_content_type() {
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
    fn the_applications_own_data_is_not_parsed() {
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
    fn a_malformed_body_loses_only_the_affected_members() {
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
            ("keys", Member::Computed(vec!["key"; 1000].into())),
            ("object", Member::Json(&object)),
            ("one", Member::Computed(vec![long.as_str()].into())),
        ];
        let cut = "ä".repeat(1024);
        assert_eq!(recorded(found), json!({"text": cut, "json": cut, "list": vec![7; 1024], "keys": vec!["key"; 341]}));
    }
}
