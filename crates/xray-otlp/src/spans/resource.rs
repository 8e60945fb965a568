//! The resource of a segment's spans: service, platform, SDK.

use crate::attributes::{Attributes, Json};
use crate::document::{Entity, Members};
use crate::proto::Resource;

/// The OpenTelemetry platform of an `origin`, with the launch type of ECS.
struct Platform {
    name: &'static str,
    launch_type: Option<&'static str>,
}

impl Platform {
    fn of(origin: &str) -> Option<Platform> {
        let (name, launch_type) = match origin {
            "AWS::EC2::Instance" => ("aws_ec2", None),
            "AWS::ECS::Container" => ("aws_ecs", None),
            "AWS::ECS::EC2" => ("aws_ecs", Some("ec2")),
            "AWS::ECS::Fargate" => ("aws_ecs", Some("fargate")),
            "AWS::EKS::Container" => ("aws_eks", None),
            "AWS::ElasticBeanstalk::Environment" => ("aws_elastic_beanstalk", None),
            "AWS::Lambda::Function" | "AWS::Lambda" => ("aws_lambda", None),
            "AWS::AppRunner::Service" => ("aws_app_runner", None),
            _ => return None,
        };
        Some(Platform { name, launch_type })
    }
}

/// The blocks of a segment's `aws`, with the attribute names of their members.
const BLOCKS: [(&str, &[(&str, &str)]); 4] = [
    (
        "ec2",
        &[
            ("instance_id", "host.id"),
            ("availability_zone", "cloud.availability_zone"),
            ("instance_size", "host.type"),
            ("ami_id", "host.image.id"),
        ],
    ),
    (
        "ecs",
        &[
            ("container", "container.name"),
            ("container_id", "container.id"),
            ("container_arn", "aws.ecs.container.arn"),
            ("cluster_arn", "aws.ecs.cluster.arn"),
            ("task_arn", "aws.ecs.task.arn"),
            ("task_family", "aws.ecs.task.family"),
            ("availability_zone", "cloud.availability_zone"),
        ],
    ),
    ("eks", &[("cluster_name", "k8s.cluster.name"), ("pod", "k8s.pod.name"), ("container_id", "container.id")]),
    (
        "elastic_beanstalk",
        &[
            ("environment_name", "service.namespace"),
            ("version_label", "service.version"),
            ("deployment_id", "service.instance.id"),
        ],
    ),
];

/// Returns the resource of subsegments whose segment is unknown.
pub(super) fn unknown(name: &str) -> Resource {
    let mut attributes = Attributes::default();
    attributes.add("service.name", name);
    add_sdk("X-Ray for Rust", env!("CARGO_PKG_VERSION"), &mut attributes);
    Resource { attributes: attributes.into_inner() }
}

/// Returns the resource of a segment.
pub(super) fn of(segment: &Entity<'_>) -> Resource {
    let mut attributes = Attributes::default();
    attributes.add("service.name", &segment.name);
    if let Some(service) = &segment.service {
        attributes.add("service.version", service.version.as_ref());
        attributes.add("process.runtime.name", service.runtime.as_ref());
        attributes.add("process.runtime.version", service.runtime_version.as_ref());
    }
    let sdk = segment.aws.object("xray");
    if let Some(name) = sdk.text("sdk") {
        add_sdk(&name, &sdk.text("sdk_version").unwrap_or_default(), &mut attributes);
    }
    add_platform(segment, &mut attributes);
    attributes.add("aws.xray.resource_arn", segment.resource_arn.as_ref());
    Resource { attributes: attributes.into_inner() }
}

/// Adds the SDK and its language, which is part of a name such as `X-Ray for Rust`.
fn add_sdk(name: &str, version: &str, attributes: &mut Attributes) {
    attributes.add("telemetry.sdk.name", name);
    attributes.add("telemetry.sdk.version", version);
    if let Some((_, language)) = name.split_once(" for ") {
        let language = language.to_lowercase().replace('.', "");
        attributes.add("telemetry.sdk.language", language);
    }
}

fn add_platform(segment: &Entity<'_>, attributes: &mut Attributes) {
    let platform = segment.origin.as_deref().and_then(Platform::of);
    let mut is_aws = platform.is_some();
    let account = segment.aws.text("account_id");
    is_aws |= account.is_some();
    attributes.add("cloud.account.id", account);
    if let Some(platform) = platform {
        attributes.add("cloud.platform", platform.name);
        attributes.add("aws.ecs.launchtype", platform.launch_type);
    }
    for (key, value) in segment.aws.iter() {
        if let Some((block, names)) = BLOCKS.iter().find(|(block, _)| *block == key) {
            is_aws = true;
            add_block(&segment.aws.object(block), block, names, attributes);
        } else if !matches!(key, "account_id" | "cloudwatch_logs" | "xray") {
            attributes.set(&format!("aws.{key}"), Json(value));
        }
    }
    if is_aws {
        attributes.add("cloud.provider", "aws");
    }
    for (member, name) in [("log_group", "aws.log.group.names"), ("arn", "aws.log.group.arns")] {
        let groups = segment.aws.objects("cloudwatch_logs");
        let groups: Vec<_> = groups.iter().filter_map(|group| group.text(member)).collect();
        attributes.add(name, groups.as_slice());
    }
}

/// Adds the members of a block. OpenTelemetry's resource attributes are strings, so numbers become text.
fn add_block(members: &Members<'_>, block: &str, names: &[(&str, &str)], attributes: &mut Attributes) {
    for (key, value) in members.iter() {
        match names.iter().find(|(member, _)| *member == key) {
            Some((_, name)) => match members.text(key) {
                Some(text) => attributes.set(name, text),
                None => attributes.set(name, value),
            },
            None => attributes.set(&format!("aws.{block}.{key}"), Json(value)),
        }
    }
}
