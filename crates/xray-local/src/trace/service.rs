//! The services of a trace, as the nodes of a service graph have them: a name and a type.

use serde_json::{Value, json};

use super::entity::Entity;

/// A node of the service graph: a service that sends segments, or one that is inferred from calls to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Service {
    pub(crate) name: Box<str>,
    /// The type, such as `AWS::ECS::Container`; empty if unknown.
    pub(crate) kind: Box<str>,
    /// The AWS account that its documents state; empty if unknown.
    pub(crate) account: Box<str>,
}

impl Service {
    /// The type of what calls the first service of a trace.
    pub(crate) const CLIENT: &str = "client";

    /// Returns the service that sent a segment.
    pub(crate) fn of_segment(segment: &Entity) -> Service {
        // The service gives an inferred segment no origin if it knows nothing but the name.
        let kind = segment.origin().unwrap_or(if segment.is_inferred() { "remote" } else { "" });
        // Read back from the service, an inferred segment has the name of the call.
        let resource = Service::resource(segment).filter(|(_, of)| segment.is_inferred() && *of == kind);
        Service::new(resource.map_or(segment.name(), |(name, _)| name), kind, segment)
    }

    /// Returns how the X-Ray API refers to it.
    pub(crate) fn json(&self) -> Value {
        let mut id = json!({ "Name": self.name, "Names": [self.name] });
        for (member, value) in [("Type", &self.kind), ("AccountId", &self.account)] {
            if !value.is_empty() {
                id[member] = json!(value);
            }
        }
        id
    }

    /// Returns the client of a service that nothing in its trace calls.
    pub(crate) fn client(&self) -> Service {
        Service { name: self.name.clone(), kind: Service::CLIENT.into(), account: "".into() }
    }

    fn new(name: &str, kind: &str, entity: &Entity) -> Service {
        let account = entity.aws().account_id.as_deref().unwrap_or_default();
        Service { name: name.into(), kind: kind.into(), account: account.into() }
    }

    /// Whether a subsegment is a call to another service, which has a node of its own even if it sends no segment.
    pub(crate) fn is_call(entity: &Entity) -> bool {
        !entity.is_segment() && matches!(entity.namespace(), Some("aws" | "remote"))
    }

    /// Returns the service to infer from a call that no segment names as its parent; `None` if the entity is no call, or
    /// if the called service says that it sends a segment, and that may still arrive.
    pub(crate) fn inferred(call: &Entity, is_settled: bool) -> Option<Service> {
        (Service::is_call(call) && (is_settled || !call.is_traced_call())).then(|| Service::called(call))
    }

    /// Returns the called service, by what the call says of its resource.
    fn called(call: &Entity) -> Service {
        let name = call.name();
        if call.namespace() != Some("aws") {
            let kind = if call.sql().is_some() { "Database::SQL" } else { "remote" };
            return Service::new(name, kind, call);
        }
        if let Some((resource, kind)) = Service::resource(call) {
            return Service::new(resource, kind, call);
        }
        Service::new(name, &format!("AWS::{name}"), call)
    }

    /// Returns the name and the type of the resource that an AWS call names.
    fn resource(call: &Entity) -> Option<(&str, &'static str)> {
        let aws = call.aws();
        let resources = [
            (&aws.table_name, "AWS::DynamoDB::Table"),
            (&aws.queue_url, "AWS::SQS::Queue"),
            (&aws.bucket_name, "AWS::S3::Bucket"),
            (&aws.function_name, "AWS::Lambda"),
        ];
        resources.into_iter().find_map(|(resource, kind)| Some((resource.as_deref()?, kind)))
    }
}

/// The parts of a service: its name, type and account. A set of services is searched by them, without a copy.
#[cfg(feature = "store")]
pub(super) trait Parts {
    fn parts(&self) -> (&str, &str, &str);
}

#[cfg(feature = "store")]
mod parts {
    use std::borrow::Borrow;
    use std::hash::{Hash, Hasher};
    use std::sync::Arc;

    use super::{Parts, Service};

    impl Parts for (&str, &str, &str) {
        fn parts(&self) -> (&str, &str, &str) {
            *self
        }
    }

    impl Parts for Service {
        fn parts(&self) -> (&str, &str, &str) {
            (&self.name, &self.kind, &self.account)
        }
    }

    impl<'a> Borrow<dyn Parts + 'a> for Arc<Service> {
        fn borrow(&self) -> &(dyn Parts + 'a) {
            &**self
        }
    }

    impl PartialEq for dyn Parts + '_ {
        fn eq(&self, other: &Self) -> bool {
            self.parts() == other.parts()
        }
    }

    impl Eq for dyn Parts + '_ {}

    impl Hash for dyn Parts + '_ {
        /// The same as that of a service, whose fields have this order.
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.parts().hash(state);
        }
    }
}
