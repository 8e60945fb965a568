//! SQS messages, each of which has the trace of its sender.

use std::collections::HashMap;
use std::hash::BuildHasher;

use xray_core::{Recorder, SamplingFlag, Segment, Subsegment, TraceHeader};

/// The system attribute that holds the sender's trace header.
const ATTRIBUTE: &str = "AWSTraceHeader";

/// An SQS message that a function received, and the trace in which it was sent.
///
/// An invocation has one trace, but each message of its batch has another. There are three ways to relate them:
///
/// - [`subsegment`](SqsRecord::subsegment) records the work on a message in the invocation's trace, but only if the
///   sender's trace is sampled. So a large batch need not produce a subsegment for every message.
/// - [`link`](SqsRecord::link) adds the traces of several messages to one subsegment as metadata.
/// - [`begin`](SqsRecord::begin) continues the sender's trace with a new segment.
///
/// ```
/// use std::collections::HashMap;
/// use xray_lambda::SqsRecord;
///
/// # fn work(body: &str) {}
/// /// The same type as in `aws_lambda_events`.
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
    /// Creates a record from the system attributes of a message: `attributes` in the event, not `messageAttributes`.
    pub fn new<H: BuildHasher>(attributes: &'a HashMap<String, String, H>) -> SqsRecord<'a> {
        SqsRecord::with_header(attributes.get(ATTRIBUTE).map_or("", String::as_str))
    }

    /// Creates a record from the text of the attribute `AWSTraceHeader`. Pass an empty text if it is missing.
    pub fn with_header(text: &'a str) -> SqsRecord<'a> {
        SqsRecord { header: TraceHeader::parse(text) }
    }

    /// Returns the sender's trace header. It has no trace ID if the message has none.
    pub fn trace_header(&self) -> TraceHeader<'a> {
        self.header.clone()
    }

    /// Returns whether the sender's trace is sampled.
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

    /// Begins a subsegment of the current entity for the work on this message.
    ///
    /// The subsegment is recorded if both the sender's trace and the invocation are sampled. It then has the sender's
    /// trace as metadata `linked_traces` in the namespace `xray`. Otherwise, calls made within it send `Sampled=0`.
    #[must_use = "a subsegment closes when its last handle is dropped"]
    pub fn subsegment(&self, name: impl AsRef<str>) -> Subsegment {
        if !self.is_sampled() {
            return xray_core::current().unsampled_subsegment();
        }
        let subsegment = xray_core::subsegment(name);
        SqsRecord::link(&subsegment, [self.clone()]);
        subsegment
    }

    /// Adds the sampled traces of several messages to a subsegment, for work on a whole batch. They become the metadata
    /// `linked_traces` in the namespace `xray`, without duplicates.
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

    /// Begins a segment with this service name in the sender's trace. If the header has no sampling decision, the
    /// segment is not sampled.
    ///
    /// The work then appears in the sender's trace instead of the invocation's.
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
    fn each_message_is_recorded_if_its_sender_sampled_it() {
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
