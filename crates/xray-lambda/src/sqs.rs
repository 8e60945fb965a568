//! Messages from a queue: each has the trace of its sender.

use std::collections::HashMap;
use std::hash::BuildHasher;

use xray_core::{Recorder, SamplingFlag, Segment, Subsegment, TraceHeader};

/// The system attribute of a message that holds its sender's trace header.
const ATTRIBUTE: &str = "AWSTraceHeader";

/// A message that a function received from SQS, and the trace that it was sent in.
///
/// An invocation with a batch of messages has one trace, and each message brings another. Three ways to deal with
/// them:
///
/// - [`subsegment`](SqsRecord::subsegment) records the work on a message in the invocation's trace, if its sender's
///   trace is sampled: a large batch need not cost a subsegment for each message.
/// - [`link`](SqsRecord::link) notes on one subsegment the traces of all messages that it is about.
/// - [`begin`](SqsRecord::begin) goes on with the sender's trace, in a segment of its own.
///
/// ```
/// use std::collections::HashMap;
/// use xray_lambda::SqsRecord;
///
/// # fn work(body: &str) {}
/// /// As `aws_lambda_events` has it.
/// struct SqsMessage {
///     attributes: HashMap<String, String>,
///     body: String,
/// }
///
/// fn handle(messages: &[SqsMessage]) {
///     for message in messages {
///         let subsegment = SqsRecord::new(&message.attributes).subsegment("order");
///         let _in = subsegment.enter();
///         work(&message.body);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsRecord<'a> {
    header: TraceHeader<'a>,
}

impl<'a> SqsRecord<'a> {
    /// The record with these system attributes: `attributes` of the event's record, not `messageAttributes`.
    pub fn new<H: BuildHasher>(attributes: &'a HashMap<String, String, H>) -> SqsRecord<'a> {
        SqsRecord::with_header(attributes.get(ATTRIBUTE).map_or("", String::as_str))
    }

    /// The record whose attribute `AWSTraceHeader` has this text; an empty text if there is none.
    pub fn with_header(text: &'a str) -> SqsRecord<'a> {
        SqsRecord { header: TraceHeader::parse(text) }
    }

    /// The sender's trace header; without a trace if the message has none.
    pub fn trace_header(&self) -> TraceHeader<'a> {
        self.header.clone()
    }

    /// Whether the sender's trace is sampled.
    ///
    /// ```
    /// use xray_lambda::SqsRecord;
    ///
    /// assert!(SqsRecord::with_header("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1").is_sampled());
    /// assert!(!SqsRecord::with_header("").is_sampled());
    /// ```
    pub fn is_sampled(&self) -> bool {
        self.header.sampled() == Some(SamplingFlag::Sampled)
    }

    /// Begins a subsegment for the work on this message, below the current entity. It is recorded if the sender's
    /// trace is sampled and the invocation is, with the sender's trace as metadata `linked_traces` in the namespace
    /// `xray`; else calls made in it carry `Sampled=0`.
    #[must_use = "a subsegment closes when its last handle is dropped"]
    pub fn subsegment(&self, name: impl AsRef<str>) -> Subsegment {
        if !self.is_sampled() {
            return xray_core::current().unsampled_subsegment();
        }
        let subsegment = xray_core::subsegment(name);
        SqsRecord::link(&subsegment, [self.clone()]);
        subsegment
    }

    /// Notes the traces of many messages on one subsegment, for work that is done on all at once: metadata
    /// `linked_traces` in the namespace `xray`, each sampled trace once.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("function");
    /// use xray_lambda::SqsRecord;
    ///
    /// let headers = ["Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "", "Sampled=0"];
    /// let batch = segment.subsegment("write batch");
    /// SqsRecord::link(&batch, headers.map(SqsRecord::with_header));
    /// # batch.close();
    /// # segment.close();
    /// # let trace = traces.take().single();
    /// # let linked = trace.find("write batch").metadata("xray", "linked_traces");
    /// # assert_eq!(*linked, serde_json::json!(["1-5759e988-bd862e3fe1be46a994272793"]));
    /// ```
    pub fn link(subsegment: &Subsegment, records: impl IntoIterator<Item = SqsRecord<'a>>) {
        if !subsegment.is_recording() {
            return;
        }
        let mut traces = Vec::new();
        for trace in records.into_iter().filter(SqsRecord::is_sampled).filter_map(|record| record.header.trace_id()) {
            let trace = trace.to_string();
            if !traces.contains(&trace) {
                traces.push(trace);
            }
        }
        subsegment.metadata_in("xray", "linked_traces", &traces);
    }

    /// Begins a segment in the sender's trace, as a service of this name; without a decision of the sender it is
    /// not sampled.
    ///
    /// The work then shows where the message came from, and not below the invocation.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// use xray_lambda::SqsRecord;
    ///
    /// # let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    /// let segment = SqsRecord::with_header(header).begin(&recorder, "order-worker");
    /// assert_eq!(segment.trace_id().unwrap().to_string(), "1-5759e988-bd862e3fe1be46a994272793");
    /// ```
    #[must_use = "a segment closes when its last handle is dropped"]
    pub fn begin(&self, recorder: &Recorder, name: impl AsRef<str>) -> Segment {
        recorder.begin_from(name, &self.header.clone().with_sampled(self.is_sampled()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn each_message_is_recorded_as_its_sender_decided() {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("function");
        let entered = segment.enter();
        let sampled = HashMap::from([(ATTRIBUTE.to_owned(), format!("Root={ROOT};Sampled=1"))]);
        let unsampled = format!("Root={ROOT};Sampled=0");
        for (name, record, recorded) in [
            ("sampled", SqsRecord::new(&sampled), true),
            ("unsampled", SqsRecord::with_header(&unsampled), false),
            ("none", SqsRecord::new(&HashMap::new()), false),
            ("ten", SqsRecord::with_header("Sampled=10"), false),
        ] {
            let subsegment = record.subsegment(name);
            let _in = subsegment.enter();
            assert_eq!((record.is_sampled(), xray_core::current().is_sampled()), (recorded, recorded), "{name}");
            xray_core::capture("below", |_| {});
        }
        drop(entered);
        segment.close();
        let trace = traces.take().single();
        assert_eq!(trace.tree(), "function\n  sampled\n    below\n");
        assert_eq!(*trace.find("sampled").metadata("xray", "linked_traces"), serde_json::json!([ROOT]));
    }

    #[test]
    fn a_continued_message_belongs_to_its_senders_trace() {
        let (recorder, traces) = Recorder::in_memory();
        let header = format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1");
        SqsRecord::with_header(&header).begin(&recorder, "worker").close();
        let trace = traces.take().single();
        assert_eq!(trace.root().json()["trace_id"], ROOT);
        assert_eq!(trace.root().json()["parent_id"], "53995c3f42cd8ad8");
        let undecided = format!("Root={ROOT}");
        assert!(!SqsRecord::with_header(&undecided).begin(&recorder, "worker").is_sampled());
    }
}
