//! A trace in a few hundred bytes: what lists show and filters test without reading documents again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::entity::{AnnotationValue, Entity, Flags};
use super::names::{Name, Names};
use super::service::Service;
use super::{Node, Trace};

/// The summary of one trace at one revision.
///
/// It holds at most [`Summary::MAX`] services, annotations and labels each. If there are more, [`Summary::beyond`] names what
/// else occurs, and only the trace itself shows where.
///
/// A store has as many of them as fit into its memory, so texts are shared or together in one allocation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    /// The first start, in microseconds since the epoch.
    pub(crate) start: u64,
    /// Microseconds from the first start to the last known end, corrected for clock differences.
    pub(crate) duration: u64,
    /// Microseconds of the first root; 0 while it is in progress.
    pub(crate) response_time: u64,
    /// Segments and subsegments.
    pub(crate) entities: u32,
    /// Documents joined so far.
    pub(crate) revision: u32,
    /// The HTTP status of the first root; 0 if it has none.
    pub(crate) status: u16,
    /// The length of the longest run of repeated calls (N+1); 0 if there is none.
    pub(crate) repeats: u16,
    /// The flags of the first root.
    pub(crate) root: Flags,
    /// Each flag that any entity has.
    pub(crate) any: Flags,
    /// Whether something is in progress, or the segment of a called service may still arrive.
    pub(crate) in_progress: bool,
    /// Whether the segment of a called service may still arrive.
    pub(crate) awaits_segment: bool,
    /// Whether a parent is missing.
    pub(crate) orphans: bool,
    /// What the lists have no room for; `None` if they are complete.
    pub(crate) beyond: Option<Box<Beyond>>,
    /// The length of the URL of the first root, with which [`Summary::texts`] begins; `None` if it has none.
    pub(crate) url: Option<NonZeroU32>,
    /// The name of the first root.
    pub(crate) name: Name,
    pub(crate) method: Option<Name>,
    /// Texts that traces rarely share, one after the other.
    pub(crate) texts: Box<str>,
    /// Segments and inferred services, each after its caller.
    pub(crate) services: Box<[Passed]>,
    /// The calls that their caller measured, in the order of the called services.
    pub(crate) calls: Box<[Call]>,
    pub(crate) annotations: Box<[SummaryAnnotation]>,
    pub(crate) labels: Box<[Label]>,
}

/// What else occurs in a trace, each once: enough to know that something does not occur.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Beyond {
    pub(crate) services: Vec<Arc<Service>>,
    /// The keys.
    pub(crate) annotations: Vec<Name>,
    pub(crate) labels: Vec<LabelKind>,
    /// Whether there is even more: these lists have at most [`Summary::MAX`] elements, too.
    pub(crate) is_cut: bool,
}

/// A segment of the trace, or a service inferred from a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passed {
    pub(crate) service: Arc<Service>,
    /// Microseconds; 0 while it is in progress.
    pub(crate) duration: u64,
    /// The HTTP status; 0 if there is none.
    pub(crate) status: u16,
    /// The index of the calling segment in [`Summary::services`], or [`Passed::NO_CALLER`].
    pub(crate) caller: u16,
    pub(crate) flags: Flags,
    pub(crate) inferred: bool,
    pub(crate) in_progress: bool,
}

/// The call to a service, as the calling subsegment measured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// Microseconds; 0 while it is in progress.
    pub(crate) duration: u64,
    /// The HTTP status; 0 if there is none.
    pub(crate) status: u16,
    /// The index of the called service in [`Summary::services`].
    pub(crate) service: u16,
    pub(crate) flags: Flags,
}

/// An annotation of any entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SummaryAnnotation {
    pub(crate) key: Name,
    pub(crate) value: SummaryValue,
    /// The index in [`Summary::services`] of the segment it belongs to.
    pub(crate) service: u16,
}

/// The value of an annotation: see [`Summary::value`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SummaryValue {
    Text(Slice),
    Number(f64),
    Bool(bool),
}

/// A part of [`Summary::texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) at: u32,
    pub(crate) length: u32,
}

/// A value with few distinct values, which any segment or subsegment may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) kind: LabelKind,
    pub(crate) text: Name,
    /// The index in [`Summary::services`] of the segment it belongs to.
    pub(crate) service: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelKind {
    User,
    InstanceId,
    AvailabilityZone,
    ResourceArn,
}

impl Beyond {
    fn add<T: PartialEq>(&mut self, value: T, list: impl FnOnce(&mut Beyond) -> &mut Vec<T>) {
        let is_cut = self.is_cut;
        let values = list(self);
        let is_full = values.len() >= Summary::MAX;
        if (is_full && is_cut) || values.contains(&value) {
            return;
        }
        if is_full {
            self.is_cut = true;
        } else {
            values.push(value);
        }
    }

    fn weight(&self) -> usize {
        size_of::<Beyond>()
            + size_of_val(&*self.services)
            + size_of_val(&*self.annotations)
            + size_of_val(&*self.labels)
    }
}

impl Passed {
    pub(crate) const NO_CALLER: u16 = u16::MAX;

    /// Whether it is a segment that nothing in the trace calls.
    pub(crate) fn is_root(&self) -> bool {
        self.caller == Passed::NO_CALLER && !self.inferred
    }
}

impl Summary {
    /// X-Ray indexes this many annotations of a trace.
    pub(crate) const MAX: usize = 50;

    pub(crate) fn new(trace: &Trace, revision: u32, names: &Names) -> Summary {
        Summary::build(trace, revision, names, Summary::MAX).0
    }

    /// Makes a summary whose lists have at most `max` elements. Also returns what is behind each of its services.
    pub(crate) fn build(trace: &Trace, revision: u32, names: &Names, max: usize) -> (Summary, Vec<Behind>) {
        let mut builder = Builder {
            names,
            max,
            beyond: None,
            texts: String::new(),
            services: Vec::new(),
            calls: Vec::new(),
            behind: Vec::new(),
            annotations: Vec::new(),
            labels: Vec::new(),
        };
        let root = trace.nodes().next();
        let http = root.as_ref().and_then(|root| root.entity().http());
        let url = http.and_then(|http| http.url.as_deref()).unwrap_or_default();
        builder.texts.push_str(url);
        // For each depth, the index of the segment that encloses it.
        let mut above: Vec<u16> = Vec::new();
        let (mut any, mut in_progress, mut orphans, mut awaits_segment) = (Flags::default(), false, false, false);
        let mut start = Duration::MAX;
        let mut parents: Vec<Node<'_>> = Vec::new();
        for node in trace.nodes() {
            above.truncate(node.depth());
            parents.truncate(node.depth());
            let outer = above.last().copied().unwrap_or(Passed::NO_CALLER);
            let own = builder.visit(node, outer, parents.last().copied());
            above.push(own);
            parents.push(node);
            let flags = node.flags();
            any = any.or(flags);
            in_progress |= node.is_in_progress();
            awaits_segment |= node.awaits_segment();
            orphans |= node.is_orphan();
            start = start.min(node.start());
        }
        let summary = Summary {
            start: if root.is_some() { micros(start) } else { 0 },
            duration: micros(trace.duration()),
            response_time: root.as_ref().and_then(|root| root.duration()).map_or(0, micros),
            entities: u32::try_from(trace.len()).unwrap_or(u32::MAX),
            revision,
            status: http.and_then(|http| http.status).unwrap_or_default(),
            repeats: longest_repeat(trace),
            root: root.as_ref().map(|root| root.flags()).unwrap_or_default(),
            any,
            in_progress: in_progress || awaits_segment,
            awaits_segment,
            orphans,
            beyond: builder.beyond,
            name: names.text(root.as_ref().map_or("", |root| root.entity().name())),
            method: http.and_then(|http| http.method.as_deref()).map(|method| names.text(method)),
            url: u32::try_from(url.len()).ok().and_then(NonZeroU32::new),
            // Copied instead of shrunk, one after the other: filters read them fastest if they are close together.
            texts: builder.texts.as_str().into(),
            services: builder.services.as_slice().into(),
            calls: builder.calls.as_slice().into(),
            annotations: builder.annotations.as_slice().into(),
            labels: builder.labels.as_slice().into(),
        };
        (summary, builder.behind)
    }

    /// Returns its approximate size in bytes, without shared names.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Summary>()
            + self.texts.len()
            + size_of_val(&*self.services)
            + size_of_val(&*self.calls)
            + size_of_val(&*self.annotations)
            + size_of_val(&*self.labels)
            + self.beyond.as_ref().map_or(0, |beyond| beyond.weight())
    }

    /// Whether its lists have no room for something.
    pub(crate) fn is_cut(&self) -> bool {
        self.beyond.is_some()
    }

    /// Returns the URL of the first root.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.map(|length| self.slice(Slice { at: 0, length: length.get() }))
    }

    /// Returns the value of one of its annotations.
    pub(crate) fn value(&self, annotation: &SummaryAnnotation) -> AnnotationValue<'_> {
        match annotation.value {
            SummaryValue::Text(slice) => AnnotationValue::Text(self.slice(slice)),
            SummaryValue::Number(number) => AnnotationValue::Number(number),
            SummaryValue::Bool(value) => AnnotationValue::Bool(value),
        }
    }

    /// Returns the call to one of its services: as its caller measured it, or the segment itself if nothing in the trace
    /// calls it.
    pub(crate) fn call(&self, service: usize) -> Call {
        let found = self.calls.binary_search_by_key(&service, |call| usize::from(call.service));
        match found {
            Ok(index) => self.calls[index],
            Err(_) => {
                let Passed { duration, status, flags, .. } = self.services[service];
                Call { duration, status, service: service as u16, flags }
            }
        }
    }

    /// Returns a text; an empty one if the summary comes from a damaged file.
    fn slice(&self, Slice { at, length }: Slice) -> &str {
        let at = at as usize;
        self.texts.get(at..at.saturating_add(length as usize)).unwrap_or_default()
    }
}

/// The indices in [`Trace::nodes`] of a segment, or of the call to an inferred service, and of the call to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    pub(super) entity: usize,
    pub(super) call: usize,
}

struct Builder<'n> {
    names: &'n Names,
    max: usize,
    beyond: Option<Box<Beyond>>,
    texts: String,
    services: Vec<Passed>,
    calls: Vec<Call>,
    behind: Vec<Behind>,
    annotations: Vec<SummaryAnnotation>,
    labels: Vec<Label>,
}

impl Builder<'_> {
    /// Adds what one entity contributes. Returns the index of the segment that it and its children belong to.
    fn visit(&mut self, node: Node<'_>, outer: u16, parent: Option<Node<'_>>) -> u16 {
        let entity = node.entity();
        let own = if entity.is_segment() {
            // The call is the subsegment that the segment names as its parent.
            let call = parent.filter(|parent| !parent.is_segment()).unwrap_or(node);
            self.pass(Service::of_segment(entity), node, call, outer, entity.is_inferred())
        } else {
            if !node.children().any(|child| child.is_segment())
                && let Some(service) = Service::inferred(entity, node.trace.settled)
            {
                self.pass(service, node, node, outer, true);
            }
            outer
        };
        for annotation in entity.typed_annotations() {
            let key = self.names.text(&annotation.key);
            if self.annotations.len() >= self.max {
                self.beyond().add(key, |beyond| &mut beyond.annotations);
                continue;
            }
            let value = match annotation.value() {
                AnnotationValue::Text(text) => SummaryValue::Text(self.text(text)),
                AnnotationValue::Number(number) => SummaryValue::Number(number),
                AnnotationValue::Bool(value) => SummaryValue::Bool(value),
            };
            self.annotations.push(SummaryAnnotation { key, value, service: own });
        }
        let aws = entity.aws();
        for (kind, text) in [
            (LabelKind::User, entity.user()),
            (LabelKind::InstanceId, aws.instance_id.as_deref()),
            (LabelKind::AvailabilityZone, aws.availability_zone.as_deref()),
            (LabelKind::ResourceArn, entity.resource_arn()),
        ] {
            if let Some(text) = text {
                self.label(kind, text, own);
            }
        }
        own
    }

    fn pass(&mut self, service: Service, node: Node<'_>, caller_node: Node<'_>, caller: u16, inferred: bool) -> u16 {
        let service = self.names.service(service);
        if self.services.len() >= self.max {
            self.beyond().add(service, |beyond| &mut beyond.services);
            return caller;
        }
        self.behind.push(Behind { entity: node.index(), call: caller_node.index() });
        let (entity, call) = (node.entity(), caller_node.entity());
        let status = |entity: &Entity| entity.http().and_then(|http| http.status).unwrap_or_default();
        // Lossless: there are at most `max`, which is below `NO_CALLER`.
        let own = self.services.len() as u16;
        self.services.push(Passed {
            service,
            duration: entity.duration().map_or(0, micros),
            status: status(entity),
            caller,
            flags: entity.flags(),
            inferred,
            in_progress: entity.is_in_progress(),
        });
        if caller_node.index() != node.index() {
            self.calls.push(Call {
                duration: call.duration().map_or(0, micros),
                status: status(call),
                service: own,
                flags: call.flags(),
            });
        }
        own
    }

    fn beyond(&mut self) -> &mut Beyond {
        self.beyond.get_or_insert_default()
    }

    fn text(&mut self, text: &str) -> Slice {
        // Lossless: the documents of a trace are smaller than 4 GiB.
        let slice = Slice { at: self.texts.len() as u32, length: text.len() as u32 };
        self.texts.push_str(text);
        slice
    }

    fn label(&mut self, kind: LabelKind, text: &str, service: u16) {
        let known = |label: &Label| (label.kind, &*label.text, label.service) == (kind, text, service);
        if self.labels.iter().any(known) {
            return;
        }
        if self.labels.len() >= self.max {
            self.beyond().add(kind, |beyond| &mut beyond.labels);
            return;
        }
        self.labels.push(Label { kind, text: self.names.text(text), service });
    }
}

/// The least number of repeated calls that count as a finding.
const MIN_REPEATS: u16 = 5;

/// Returns the length of the longest run of siblings with one signature that follow each other and together take at
/// least 1 % of the trace; 0 if no run is long enough.
fn longest_repeat(trace: &Trace) -> u16 {
    let least = trace.duration() / 100;
    let mut longest = 0;
    for node in trace.nodes().filter(|node| node.descendants() >= usize::from(MIN_REPEATS)) {
        // For each signature: the number of calls, their total, and the end of the last one.
        let mut runs: HashMap<u64, (u16, Duration, Duration)> = HashMap::new();
        for child in node.children() {
            let (begin, took) = (child.offset(), child.duration().unwrap_or_default());
            let end = begin.saturating_add(took);
            match runs.entry(signature(&child)) {
                Entry::Vacant(vacant) => _ = vacant.insert((1, took, end)),
                // Overlapping calls are a fan-out, which is no loop over queries.
                Entry::Occupied(mut run) if run.get().2 > begin => run.get_mut().2 = Duration::MAX,
                Entry::Occupied(mut run) => {
                    let (count, total, last) = run.get_mut();
                    *count = count.saturating_add(1);
                    *total = total.saturating_add(took);
                    *last = end;
                }
            }
        }
        let counted = runs.values().filter(|(_, total, last)| *total >= least && *last < Duration::MAX);
        longest = counted.map(|(count, ..)| *count).fold(longest, u16::max);
    }
    if longest >= MIN_REPEATS { longest } else { 0 }
}

/// Returns a hash of what an entity does, which is the same for repetitions of it with other values.
pub(crate) fn signature(entity: &Entity) -> u64 {
    let mut hasher = BuildHasherDefault::<DefaultHasher>::default().build_hasher();
    let aws = entity.aws();
    (entity.name(), entity.namespace(), entity.is_segment(), &aws.operation, &aws.table_name, &aws.queue_url)
        .hash(&mut hasher);
    (&aws.bucket_name, &aws.function_name, &aws.topic_arn).hash(&mut hasher);
    if let Some(query) = entity.sql().and_then(|sql| sql.query.as_deref()) {
        for word in query.split_ascii_whitespace() {
            word.hash(&mut hasher);
        }
    }
    if let Some(http) = entity.http() {
        http.method.hash(&mut hasher);
        let path = http.url.as_deref().unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
        for part in path.split('/') {
            if is_variable(part) { "*" } else { part }.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Whether a part of a path is a number, a hexadecimal id or a UUID.
fn is_variable(part: &str) -> bool {
    part.bytes().any(|byte| byte.is_ascii_digit()) && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn the_summary_of_nine_entities_has_at_most_400_bytes() {
        let store = Store::new();
        store.accept_document(include_str!("../../tests/data/reference.json").trim()).unwrap();
        let Summary { entities, services, annotations, .. } = &*store.summaries(0)[0].summary;
        assert_eq!((*entities, services.len(), annotations.len()), (9, 4, 3));
        let weight = store.summaries(0)[0].summary.weight();
        assert!(weight <= 400, "{weight}");
        println!("{weight} bytes");
    }

    #[test]
    fn a_call_is_what_its_caller_measured() {
        let store = Store::new();
        let head = r#""trace_id":"1-5759e988-bd862e3fe1be46a994272793""#;
        let call =
            r#"{"id":"00000000000000bb","name":"b","namespace":"remote","start_time":1,"end_time":4,"error":true}"#;
        let document = format!(
            r#"{{{head},"id":"00000000000000aa","name":"a","start_time":1,"end_time":5,"subsegments":[{call}]}}"#
        );
        store.accept_document(&document).unwrap();
        let called = r#""id":"00000000000000cc","parent_id":"00000000000000bb","name":"b","start_time":2,"end_time":3"#;
        store.accept_document(&format!(r#"{{{head},{called},"http":{{"response":{{"status":200}}}}}}"#)).unwrap();
        let summary = &store.summaries(0)[0].summary;
        let calls = [0, 1].map(|service| summary.call(service));
        assert_eq!(calls.map(|call| (call.duration, call.flags.error())), [(4_000_000, false), (3_000_000, true)]);
        assert_eq!((summary.services[1].duration, summary.services[1].status), (1_000_000, 200));
    }
}
