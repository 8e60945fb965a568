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
    Subsegment, TraceHeader, TraceId, TraceParent,
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
    shared::<(Aws, Sql, Exception, Flag, Namespace, Naming)>();
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
fn formatting_a_handle_shows_ids_and_no_content() {
    let (recorder, _traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment.set_user("secret").annotate("card", "secret");
    let subsegment = segment.subsegment("pay");
    for text in
        [format!("{segment:?}"), format!("{subsegment:?}"), format!("{:?}", segment.entity()), format!("{recorder:?}")]
    {
        assert!(!text.contains("secret"), "{text}");
    }
    assert!(format!("{subsegment:?}").contains(&subsegment.id().unwrap().to_string()));
    assert!(format!("{:?}", Recorder::disabled().begin("shop")).contains("no trace"));
}
