//! Public types are `Send` and `Sync`, and can be formatted.

use std::fmt::Debug;

use xray_core::adapter::{BodyLength, ClientOptions, ClientRequest, ServerOptions, ServerRequest};
use xray_core::context::{Entered, InEntity, InSubsegment, MissingContext, ParseContextMissingError, TryInSubsegment};
use xray_core::diagnostics::{Cause, Diagnostic, Level};
use xray_core::document::Document;
use xray_core::emit::{DaemonAddress, Emitter, Endpoint, Flushed, MemoryEmitter, ParseAddressError};
use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::plugin::{Detected, Ec2, Ecs, Eks, ElasticBeanstalk, Plugin};
use xray_core::sampling::{
    Always, Decision, FixedTarget, Never, ParseRulesError, Rate, Rule, Rules, Sampler, SamplingRequest,
};
use xray_core::stats::Stats;
use xray_core::testing::{Recorded, Taken, Trace, Traces};
use xray_core::time::{Clock, Timestamp};
use xray_core::{
    AnnotationValue, Aws, ConfigError, ContextMissing, Entity, EntityId, Exception, Facade, Flag, FlushedFuture,
    Installed, Namespace, Naming, ParseIdError, Propagation, Recorder, RecorderBuilder, SamplingFlag, Segment, Sql,
    SqlCall, SqlFailure, Subsegment, TraceHeader, TraceId, TraceParent,
};

fn shared<T: Send + Sync + Debug>() {}
fn shared_ref<T: Send + Sync + ?Sized>() {}
fn sent<T: Send + Debug>() {}
fn printed<T: Debug>() {}
fn cloned<T: Clone>() {}
fn error<T: std::error::Error + Send + Sync + Clone + PartialEq + 'static>() {}

#[test]
fn public_types_cross_threads_and_can_be_formatted() {
    shared::<Recorder>();
    shared::<RecorderBuilder>();
    shared::<Installed>();
    shared::<Segment>();
    shared::<Subsegment>();
    shared::<Entity>();
    shared::<Facade>();
    shared::<AnnotationValue<'_>>();
    shared::<(Aws, Sql, SqlCall, SqlFailure, Exception, Flag, Namespace, Naming)>();
    shared::<(EntityId, TraceId, TraceHeader<'_>, SamplingFlag)>();
    shared::<(ContextMissing, MissingContext<'_>, Propagation, TraceParent)>();
    shared::<(InEntity<()>, InSubsegment<()>, TryInSubsegment<()>)>();
    shared::<(Cause, Level, Document, Stats, Clock, Timestamp)>();
    shared::<(DaemonAddress, Endpoint, Flushed, MemoryEmitter)>();
    shared::<(BodyLength, HttpRequest<'_>, HttpResponse, ServerOptions, ClientOptions)>();
    shared::<(Always, Never, Rate, FixedTarget, Rule, Rules, Decision, SamplingRequest<'_>)>();
    shared::<(Ec2, Ecs, Eks, ElasticBeanstalk, Detected)>();
    shared::<(Traces, Taken, Trace, Recorded)>();
    sent::<(FlushedFuture, ServerRequest, ClientRequest)>();
    printed::<(Entered, Diagnostic<'_>)>();
    cloned::<(Recorder, Segment, Subsegment, Entity, Facade, Traces, Exception)>();
    error::<ConfigError>();
    error::<ParseIdError>();
    error::<ParseContextMissingError>();
    error::<ParseAddressError>();
    error::<ParseRulesError>();
    shared_ref::<dyn Emitter>();
    shared_ref::<dyn Sampler>();
    shared_ref::<dyn Plugin>();
}

#[test]
fn formatting_a_handle_shows_ids_and_state_and_no_content() {
    let (recorder, _traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment.set_user("secret").annotate("card", "secret");
    let subsegment = segment.subsegment("pay");
    let trace_id = segment.trace_id().unwrap();
    let ids = |id: Option<EntityId>| format!("trace_id: {trace_id}, id: {}, sampled: true", id.unwrap());
    let (of_segment, of_subsegment) = (ids(segment.id()), ids(subsegment.id()));
    assert_eq!(format!("{segment:?}"), format!("Segment {{ {of_segment}, open: true }}"));
    assert_eq!(format!("{:?}", segment.entity()), format!("Entity {{ {of_segment}, open: true }}"));
    assert_eq!(format!("{subsegment:?}"), format!("Subsegment {{ {of_subsegment}, open: true }}"));

    let guard = subsegment.enter();
    let current = format!("Some(Entity {{ {of_subsegment}, open: true }})");
    assert_eq!(format!("{guard:?}"), format!("Entered {{ current: {current}, restores: None }}"));
    drop(guard);
    segment.close();
    assert_eq!(format!("{segment:?}"), format!("Segment {{ {of_segment}, open: false }}"));
}

#[test]
fn formatting_a_handle_without_a_recorded_entity_shows_what_there_is() {
    let (recorder, _traces) = Recorder::in_memory();
    let (root, parent) = ("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8");
    let header = |sampled| format!("Root={root};Parent={parent};Sampled={sampled}");
    let unsampled = recorder.begin_from("shop", &TraceHeader::parse(&header(0)));
    let id = unsampled.id().unwrap();
    assert_eq!(format!("{unsampled:?}"), format!("Segment {{ trace_id: {root}, id: {id}, sampled: false }}"));
    let facade = recorder.facade(&TraceHeader::parse(&header(1)));
    assert_eq!(format!("{facade:?}"), format!("Facade {{ trace_id: {root}, id: {parent}, sampled: true }}"));
    assert_eq!(format!("{:?}", Recorder::disabled().begin("shop")), "Segment { sampled: false }");
    assert_eq!(format!("{:?}", Entity::default()), "Entity { sampled: false }");
}

#[test]
fn formatting_a_recorder_shows_settings_and_counts() {
    let disabled = format!("{:?}", Recorder::disabled());
    assert!(
        disabled.starts_with("Recorder { enabled: false, streaming_threshold: 100, context_missing: Log, "),
        "{disabled}"
    );
    let (recorder, _traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment.annotate("card", "secret").close();
    segment.annotate("card", "secret");
    let text = format!("{recorder:?}");
    assert!(text.contains("enabled: true") && text.contains("late_writes: 1") && !text.contains("secret"), "{text}");
}
