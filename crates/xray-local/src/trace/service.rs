//! The services of a trace, as the nodes of a service graph have them: a name and a type.

use super::entity::Entity;

/// A node of the service graph: a service that sends segments, or one that is inferred from calls to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Service {
    pub(crate) name: Box<str>,
    /// The type, such as `AWS::ECS::Container`; empty if unknown.
    pub(crate) kind: Box<str>,
}

impl Service {
    /// Returns the service that sent a segment.
    pub(crate) fn of_segment(segment: &Entity) -> Service {
        Service { name: segment.name().into(), kind: segment.origin().unwrap_or_default().into() }
    }

    /// Whether a subsegment is a call to another service, which has a node of its own even if it sends no segment.
    pub(crate) fn is_call(entity: &Entity) -> bool {
        !entity.is_segment() && matches!(entity.namespace(), Some("aws" | "remote"))
    }

    /// Returns the service to infer from a call that no segment names as its parent; `None` if the entity is no call, or
    /// if the called service says that it sends a segment.
    pub(crate) fn inferred(call: &Entity) -> Option<Service> {
        if !Service::is_call(call) || call.http().is_some_and(|http| http.traced) {
            return None;
        }
        Some(Service::called(call))
    }

    /// Returns the called service, by what the call says of its resource.
    fn called(call: &Entity) -> Service {
        let name = call.name();
        if call.namespace() != Some("aws") {
            let kind = if call.sql().is_some() { "Database::SQL" } else { "remote" };
            return Service { name: name.into(), kind: kind.into() };
        }
        let aws = call.aws();
        let resources = [
            (&aws.table_name, "AWS::DynamoDB::Table"),
            (&aws.queue_url, "AWS::SQS::Queue"),
            (&aws.bucket_name, "AWS::S3::Bucket"),
            (&aws.function_name, "AWS::Lambda"),
            (&aws.topic_arn, "AWS::SNS::Topic"),
        ];
        for (resource, kind) in resources {
            if let Some(resource) = resource {
                return Service { name: resource.clone(), kind: kind.into() };
            }
        }
        Service { name: name.into(), kind: format!("AWS::{name}").into() }
    }
}
