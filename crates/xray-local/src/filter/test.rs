//! The meaning of filter expressions.
//!
//! | Term | Applies to |
//! |---|---|
//! | a flag, a number, `http.…` outside a block | the trace: flags and HTTP of its first root, `duration` of all, `responsetime` of the root |
//! | `user`, `annotation`, `availabilityzone`, `instance.id`, `resource.arn` outside a block | any segment or subsegment |
//! | terms in the block of `service` | one segment of the service, or one call to an inferred service |
//! | terms in the block of `edge` | one call, as its caller measured it |
//! | terms in the block of `rootcause` | one element of a cause |
//! | `rootcause.json` | all causes: each element of the list must be part of one, with lists of the same length |
//!
//! A term without an operator is true if its value is set; for an annotation that is true or false, if it is true. A
//! comparison is false if nothing is set, also with `!=`. Values of different types are never equal.

use serde_json::Value as Json;

use super::Selected;
use super::syntax::{CauseKind, CausePart, Expression, Flag, Number, Operator, Pattern, Text, Value};
use crate::trace::{
    AnnotationValue, Call, Cause, Detailed, Entity, Flags, Label, LabelKind, Passed, Service, Summary, Trace, causes,
    response_time_cause,
};

/// Tests an expression on a trace.
pub(super) fn matches(expression: &Expression, summary: &Summary, detailed: Option<&Detailed>) -> bool {
    let subject = Subject { summary, detailed };
    subject.trace(expression)
}

/// Returns what an expression of `service` and `edge` selects of one node.
pub(super) fn selects(
    expression: &Expression,
    summary: &Summary,
    detailed: Option<&Detailed>,
    node: usize,
) -> Option<Selected> {
    let subject = Subject { summary, detailed };
    match expression {
        Expression::Any(parts) => parts.iter().find_map(|part| selects(part, summary, detailed, node)),
        Expression::Service(pattern, block) => subject.is_service(pattern, block, node).then_some(Selected::Service),
        Expression::Edge(from, to, block) => subject.is_edge(from, to, block, node).then_some(Selected::Edge),
        _ => None,
    }
}

struct Subject<'a> {
    summary: &'a Summary,
    /// Missing if the expression needs nothing but the summary.
    detailed: Option<&'a Detailed>,
}

/// Combines the results of terms.
fn combine(expression: &Expression, term: &mut dyn FnMut(&Expression) -> bool) -> bool {
    match expression {
        Expression::Everything => true,
        Expression::All(parts) => parts.iter().all(|part| combine(part, term)),
        Expression::Any(parts) => parts.iter().any(|part| combine(part, term)),
        Expression::Not(inner) => !combine(inner, term),
        other => term(other),
    }
}

fn is_ok(flags: Flags, status: u16) -> bool {
    flags == Flags::default() && (status == 0 || (200..300).contains(&status))
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn number(test: &Option<(Operator, f64)>, value: Option<f64>) -> bool {
    match (test, value) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some((operator, wanted)), Some(value)) => operator.numbers(value, *wanted),
    }
}

fn text(test: &Option<(Operator, String)>, value: Option<&str>) -> bool {
    match (test, value) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some((operator, wanted)), Some(value)) => operator.texts(value, wanted),
    }
}

fn status(status: u16) -> Option<f64> {
    (status != 0).then_some(f64::from(status))
}

fn annotation(test: &Option<(Operator, Value)>, value: AnnotationValue<'_>) -> bool {
    match (test, value) {
        (None, AnnotationValue::Bool(value)) => value,
        (None, _) => true,
        (Some((operator, Value::Text(wanted))), AnnotationValue::Text(value)) => operator.texts(value, wanted),
        (Some((operator, Value::Number(wanted))), AnnotationValue::Number(value)) => operator.numbers(value, *wanted),
        (Some((Operator::Equal, Value::Bool(wanted))), AnnotationValue::Bool(value)) => value == *wanted,
        (Some((Operator::Unequal, Value::Bool(wanted))), AnnotationValue::Bool(value)) => value != *wanted,
        // Another type is another value.
        (Some((operator, _)), _) => *operator == Operator::Unequal,
    }
}

pub(super) fn kind_of_label(field: Text) -> Option<LabelKind> {
    match field {
        Text::User => Some(LabelKind::User),
        Text::InstanceId => Some(LabelKind::InstanceId),
        Text::AvailabilityZone => Some(LabelKind::AvailabilityZone),
        Text::ResourceArn => Some(LabelKind::ResourceArn),
        _ => None,
    }
}

impl<'a> Subject<'a> {
    fn trace(&self, expression: &Expression) -> bool {
        // Without the indirection of `combine`, because this runs for each trace of the store.
        match expression {
            Expression::Everything => true,
            Expression::All(parts) => parts.iter().all(|part| self.trace(part)),
            Expression::Any(parts) => parts.iter().any(|part| self.trace(part)),
            Expression::Not(inner) => !self.trace(inner),
            Expression::Flag(flag, wanted) => self.flag(*flag) == *wanted,
            Expression::Number(field, test) => number(
                test,
                match field {
                    Number::Duration => Some(seconds(self.summary.duration)),
                    Number::ResponseTime => Some(seconds(self.summary.response_time)),
                    Number::Status => status(self.summary.status),
                    Number::Index | Number::Coverage => None,
                },
            ),
            Expression::Text(field, test) => self.text(*field, test),
            Expression::Annotation(key, test) => {
                let mut annotations = self.summary.annotations.iter();
                annotations.any(|found| *found.key == **key && annotation(test, self.summary.value(found)))
            }
            Expression::Service(pattern, block) => {
                (block.is_none() && self.client().is_some_and(|client| is_client(pattern, client)))
                    || (0..self.summary.services.len()).any(|node| self.is_service(pattern, block, node))
            }
            Expression::Edge(from, to, block) => {
                (0..self.summary.services.len()).any(|node| self.is_edge(from, to, block, node))
            }
            Expression::Cause(kind, part, block) => self.cause(*kind, *part, block.as_deref()),
            Expression::CauseJson(wanted) => self.cause_json(wanted),
        }
    }

    fn flag(&self, flag: Flag) -> bool {
        let Summary { root, status, in_progress, .. } = self.summary;
        match flag {
            Flag::Ok => is_ok(*root, *status),
            Flag::Error => root.error(),
            Flag::Throttle => root.throttle(),
            Flag::Fault => root.fault(),
            Flag::Partial => *in_progress,
            Flag::Inferred | Flag::First | Flag::Last | Flag::Remote | Flag::Root => false,
        }
    }

    fn text(&self, field: Text, test: &Option<(Operator, String)>) -> bool {
        if let Some(kind) = kind_of_label(field) {
            let mut labels = self.summary.labels.iter().filter(|label| label.kind == kind);
            return labels.any(|label| text(test, Some(&label.text)));
        }
        let http = || self.detailed?.trace.nodes().next()?.entity().http();
        text(
            test,
            match field {
                Text::Url => self.summary.url(),
                Text::Method => self.summary.method.as_deref(),
                Text::UserAgent => http().and_then(|http| http.user_agent.as_deref()),
                Text::ClientIp => http().and_then(|http| http.client_ip.as_deref()),
                _ => None,
            },
        )
    }

    /// Returns the name of the first root, which its client has too.
    fn client(&self) -> Option<&'a str> {
        Some(&self.summary.services.iter().find(|passed| passed.is_root())?.service.name)
    }

    fn is_service(&self, pattern: &Pattern, block: &Option<Box<Expression>>, node: usize) -> bool {
        let Some(passed) = self.summary.services.get(node) else { return false };
        let entity = || Some(self.detailed?.entity(node));
        is(pattern, &passed.service)
            && block.as_ref().is_none_or(|block| {
                let &Passed { flags, duration, status, .. } = passed;
                let own = Call { flags, duration, status, service: node as u16 };
                combine(block, &mut |term| self.of_node(term, node, passed, &own, entity(), false))
            })
    }

    fn is_edge(&self, from: &Pattern, to: &Pattern, block: &Option<Box<Expression>>, node: usize) -> bool {
        let Some(passed) = self.summary.services.get(node) else { return false };
        if !is(to, &passed.service) {
            return false;
        }
        let caller = self.summary.services.get(usize::from(passed.caller)).map(|caller| &caller.service);
        let called = match caller {
            Some(caller) => is(from, caller),
            None => passed.is_root() && is_client(from, &passed.service.name),
        };
        let entity = || Some(self.detailed?.call(node));
        called
            && block.as_ref().is_none_or(|block| {
                let call = self.summary.call(node);
                combine(block, &mut |term| self.of_node(term, node, passed, &call, entity(), true))
            })
    }

    /// Tests a term in the block of `service` or `edge`.
    fn of_node(
        &self,
        term: &Expression,
        node: usize,
        passed: &Passed,
        side: &Call,
        entity: Option<&Entity>,
        is_edge: bool,
    ) -> bool {
        match term {
            Expression::Flag(flag, wanted) => {
                let value = match flag {
                    Flag::Ok => is_ok(side.flags, side.status),
                    Flag::Error => side.flags.error(),
                    Flag::Throttle => side.flags.throttle(),
                    Flag::Fault => side.flags.fault(),
                    Flag::Partial => passed.in_progress,
                    Flag::Inferred => passed.inferred,
                    Flag::Root => passed.is_root(),
                    Flag::First | Flag::Last | Flag::Remote => false,
                };
                value == *wanted
            }
            Expression::Number(Number::Status, test) => number(test, status(side.status)),
            Expression::Number(_, test) => number(test, Some(seconds(side.duration))),
            Expression::Annotation(key, test) if is_edge => entity.is_some_and(|entity| {
                let mut annotations = entity.typed_annotations().iter();
                annotations.any(|found| *found.key == **key && annotation(test, found.value()))
            }),
            Expression::Annotation(key, test) => {
                let mut own = self.summary.annotations.iter().filter(|found| usize::from(found.service) == node);
                own.any(|found| *found.key == **key && annotation(test, self.summary.value(found)))
            }
            Expression::Text(field, test) => {
                let http = || entity?.http();
                match field {
                    Text::Name => text(test, Some(&passed.service.name)),
                    Text::Type => text(test, known(&passed.service.kind)),
                    Text::AccountId => text(test, known(&passed.service.account)),
                    Text::Url => text(test, http().and_then(|http| http.url.as_deref())),
                    Text::Method => text(test, http().and_then(|http| http.method.as_deref())),
                    Text::UserAgent => text(test, http().and_then(|http| http.user_agent.as_deref())),
                    Text::ClientIp => text(test, http().and_then(|http| http.client_ip.as_deref())),
                    Text::User if is_edge => text(test, entity.and_then(Entity::user)),
                    _ => match kind_of_label(*field) {
                        None => false,
                        Some(_) if is_edge => false,
                        Some(kind) => {
                            let own = |label: &&Label| label.kind == kind && usize::from(label.service) == node;
                            self.summary.labels.iter().filter(own).any(|label| text(test, Some(&label.text)))
                        }
                    },
                }
            }
            _ => false,
        }
    }

    fn cause(&self, kind: CauseKind, part: CausePart, block: Option<&Expression>) -> bool {
        let Some(detailed) = self.detailed else { return false };
        causes_of(kind, &detailed.trace).iter().any(|cause| {
            let elements = elements(cause, part);
            let count = elements.len();
            let mut elements = elements.into_iter().enumerate();
            elements.any(|(index, element)| {
                block.is_none_or(|block| combine(block, &mut |term| element.test(term, index, count)))
            })
        })
    }

    fn cause_json(&self, wanted: &Json) -> bool {
        let Some(detailed) = self.detailed else { return false };
        let kinds = [CauseKind::Fault, CauseKind::Error, CauseKind::ResponseTime];
        let found: Vec<Json> =
            kinds.iter().flat_map(|kind| causes_of(*kind, &detailed.trace)).map(|cause| cause.json()).collect();
        let list = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
        list.iter().all(|wanted| found.iter().any(|found| contains(found, wanted)))
    }
}

fn causes_of(kind: CauseKind, trace: &Trace) -> Vec<Cause> {
    match kind {
        CauseKind::Fault => causes(trace, Flags::fault),
        CauseKind::Error => causes(trace, Flags::error),
        CauseKind::ResponseTime => response_time_cause(trace).into_iter().collect(),
    }
}

/// Whether JSON has all that is wanted: objects may have further members.
fn contains(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Object(found), Json::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| contains(found, wanted)))
        }
        (Json::Array(found), Json::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| contains(found, wanted))
        }
        _ => found == wanted,
    }
}

pub(super) fn is(pattern: &Pattern, service: &Service) -> bool {
    let Pattern { name, kind, account } = pattern;
    [(name, &service.name), (kind, &service.kind), (account, &service.account)]
        .into_iter()
        .all(|(wanted, found)| wanted.as_ref().is_none_or(|wanted| **wanted == **found))
}

/// A text that may be unknown.
fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A client has the name of the service it calls, so a name alone means the service.
fn is_client(pattern: &Pattern, name: &str) -> bool {
    match pattern {
        Pattern { name: None, kind: None, account: None } => true,
        Pattern { kind: Some(kind), account: None, .. } if kind == Service::CLIENT => {
            pattern.name.as_ref().is_none_or(|wanted| wanted == name)
        }
        _ => false,
    }
}

/// An element of a cause.
#[derive(Default)]
struct Element<'a> {
    name: &'a str,
    kind: &'a str,
    account: &'a str,
    message: Option<&'a str>,
    coverage: Option<f64>,
    remote: bool,
    inferred: bool,
}

fn elements(cause: &Cause, part: CausePart) -> Vec<Element<'_>> {
    let entities = || cause.services.iter().flat_map(|service| &service.entities);
    match part {
        CausePart::Service => {
            let services = cause.services.iter();
            let element = services.map(|cause| Element {
                name: &cause.service.name,
                kind: &cause.service.kind,
                account: &cause.service.account,
                coverage: cause.entities.first().and_then(|entity| entity.coverage),
                inferred: cause.inferred,
                ..Element::default()
            });
            element.collect()
        }
        CausePart::Entity => entities()
            .map(|entity| Element {
                name: &entity.name,
                remote: entity.remote,
                coverage: entity.coverage,
                ..Element::default()
            })
            .collect(),
        CausePart::Exception => {
            let exceptions = entities().flat_map(|entity| &entity.exceptions);
            let element = exceptions.map(|exception| Element {
                name: &exception.kind,
                message: Some(&exception.message),
                ..Element::default()
            });
            element.collect()
        }
    }
}

impl Element<'_> {
    /// Tests a term in the block of `rootcause`.
    fn test(&self, term: &Expression, index: usize, count: usize) -> bool {
        match term {
            Expression::Flag(flag, wanted) => {
                let value = match flag {
                    Flag::Inferred => self.inferred,
                    Flag::Remote => self.remote,
                    Flag::First => index == 0,
                    Flag::Last => index + 1 == count,
                    _ => false,
                };
                value == *wanted
            }
            Expression::Number(Number::Index, test) => number(test, Some(index as f64)),
            Expression::Text(Text::Name, test) => text(test, Some(self.name)),
            Expression::Number(Number::Coverage, test) => number(test, self.coverage),
            Expression::Text(Text::Type, test) => text(test, known(self.kind)),
            Expression::Text(Text::AccountId, test) => text(test, known(self.account)),
            Expression::Text(Text::Message, test) => text(test, self.message),
            _ => false,
        }
    }
}
