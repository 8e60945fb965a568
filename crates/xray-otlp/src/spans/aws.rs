//! The `aws` block: a call in a subsegment, facts about the recording in a segment.

use crate::attributes::{Attributes, Json};
use crate::document::Members;

/// Members of a call and their OpenTelemetry names. Other members keep their name, with the prefix `aws.`.
const NAMED: [(&str, &[&str]); 8] = [
    ("operation", &["aws.operation", "rpc.method"]),
    ("retries", &["aws.xray.retries"]),
    ("queue_url", &["aws.queue_url", "aws.sqs.queue.url"]),
    ("topic_arn", &["aws.sns.topic.arn"]),
    ("bucket_name", &["aws.s3.bucket"]),
    ("key", &["aws.s3.key"]),
    ("stream_name", &["aws.kinesis.stream_name"]),
    ("table_name", &["aws.table_name"]),
];

/// Adds the attributes of a call to the AWS service `name`.
pub(super) fn add_service(name: &str, attributes: &mut Attributes) {
    attributes.add("rpc.system", "aws-api");
    attributes.add("rpc.service", name);
    attributes.add("aws.service", name);
}

/// Adds the members of a call.
pub(super) fn add_call(aws: &Members<'_>, attributes: &mut Attributes) {
    for (key, value) in aws.iter() {
        match NAMED.iter().find(|(name, _)| *name == key) {
            Some((_, names)) => names.iter().for_each(|name| attributes.set(name, Json(value))),
            None => attributes.set(&format!("aws.{key}"), Json(value)),
        }
    }
    if let Some(table) = aws.text("table_name") {
        attributes.add("aws.dynamodb.table_names", [table].as_slice());
    }
}

/// Adds the members about the recording. The platform is in the resource.
pub(super) fn add_recording(aws: &Members<'_>, attributes: &mut Attributes) {
    let xray = aws.object("xray");
    for (key, value) in xray.iter().filter(|(key, _)| !matches!(*key, "sdk" | "sdk_version")) {
        attributes.set(&format!("aws.xray.{key}"), Json(value));
    }
}
