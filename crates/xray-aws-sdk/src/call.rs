//! One operation, from its input to its outcome, over all attempts.

use std::sync::Arc;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::telemetry::CapturedTelemetryAttributes;
use aws_types::region::{Region, SigningRegion};
use aws_types::request_id::RequestId;
use xray_core::adapter::header_value;
use xray_core::http::{HttpResponse as ResponseBlock, flags_of_status};
use xray_core::{Aws, Entity, Exception, Flag, Namespace, Subsegment};

use crate::allowlist::{Allowlist, Parameters};
use crate::body::{Watch, watch};
use crate::failure::Failure;
use crate::members::{self, Form};

pub(crate) const TRACE_HEADER: &str = "x-amzn-trace-id";

/// What the SDK keeps for us while it performs an operation. It drops it when the call is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    subsegment: Subsegment,
    /// What is to be recorded. Taken at the end, and never there if the trace is not sampled.
    record: Option<Record>,
}

#[derive(Debug)]
pub(crate) struct Record {
    operation: Metadata,
    /// What is known so far.
    aws: Aws,
    parameters: Option<Arc<Parameters>>,
    /// How the request was written.
    form: Form,
    /// The body of the last attempt's answer.
    answer: Option<Arc<Watch>>,
}

impl Record {
    /// Adds the request's parameters that the allowlist names. The operation may have told some of them.
    pub(crate) fn with_request(self, request: &HttpRequest, told: Option<&CapturedTelemetryAttributes>) -> Record {
        let Some(parameters) = &self.parameters else { return self };
        let (found, form) = members::of_request(parameters, &self.operation, told, request);
        Record { aws: members::record(found, self.aws), form, ..self }
    }
}

impl Storable for Call {
    type Storer = StoreReplace<Call>;
}

impl Call {
    /// A call below an entity that is not sampled.
    pub(crate) fn unsampled(parent: &Entity) -> Call {
        Call { subsegment: parent.subsegment(""), record: None }
    }

    pub(crate) fn begin(parent: &Entity, cfg: &ConfigBag, allowlist: &Allowlist) -> Call {
        let operation = cfg.load::<Metadata>().cloned().unwrap_or_else(|| Metadata::new("", "AWS"));
        let subsegment = parent.subsegment(operation.service().replace(' ', ""));
        subsegment.set_namespace(Namespace::Aws);
        let aws = Aws::operation(operation.name());
        let region = cfg.load::<Region>().map(Region::as_ref);
        let aws = match region.or_else(|| cfg.load::<SigningRegion>().map(SigningRegion::as_ref)) {
            Some(region) => aws.region(region),
            None => aws,
        };
        let parameters = allowlist.find(operation.service(), operation.name()).cloned();
        Call { subsegment, record: Some(Record { operation, aws, parameters, form: Form::Unread, answer: None }) }
    }

    /// Hands out what is to be recorded, for something to be added: the SDK keeps much that is borrowed meanwhile.
    pub(crate) fn take_record(&mut self) -> Option<Record> {
        self.record.take()
    }

    pub(crate) fn put_back(&mut self, record: Record) {
        self.record = Some(record);
    }

    /// Gives the request the header that carries the trace on, unless the call is to have none.
    pub(crate) fn carry_on(&self, request: &mut HttpRequest, without_header: bool) {
        if !without_header {
            carry(&self.subsegment, request);
        }
        if self.record.is_some() {
            request.add_extension(SeenByInterceptor);
        }
    }

    /// What is presigned is not sent, and has nothing to carry.
    pub(crate) fn take_off(&self, request: &mut HttpRequest) {
        request.headers_mut().remove(TRACE_HEADER);
    }

    /// An attempt was answered.
    pub(crate) fn watch(&mut self, response: &mut HttpResponse) {
        if let Some(record) = &mut self.record {
            record.answer = Some(watch(response.body_mut(), &self.subsegment));
        }
    }

    /// The SDK is done with the operation; its answer's body may still be on the way.
    pub(crate) fn end(&mut self, context: &InterceptorContext, components: &RuntimeComponents, attempts: u32) {
        let Some(record) = self.record.take() else { return };
        let Record { operation, aws, parameters, form, answer } = record;
        let mut aws = aws.retries(attempts.saturating_sub(1));
        let response = context.response();
        if let Some(response) = response {
            aws = self.note_response(response, &operation, aws);
            if let Some(parameters) = parameters {
                aws = members::record(members::of_response(&parameters, &operation, form, response), aws);
            }
        }
        let is_streamed = match context.output_or_error() {
            Some(Ok(_)) => response.is_some_and(|response| response.body().bytes().is_none()),
            Some(Err(error)) => {
                self.note_failure(Failure::of(error, context, components));
                false
            }
            None => false,
        };
        self.subsegment.set_aws(&aws);
        match answer.filter(|_| is_streamed) {
            Some(answer) => answer.take_over(),
            None => self.subsegment.close(),
        }
    }

    fn note_response(&self, response: &HttpResponse, operation: &Metadata, mut aws: Aws) -> Aws {
        let (status, headers) = (response.status().as_u16(), response.headers());
        let length = headers.get("content-length").and_then(|length| length.parse::<u64>().ok());
        self.subsegment.set_http_response(&ResponseBlock::new(status).content_length(length));
        for flag in flags_of_status(status) {
            self.subsegment.mark(*flag);
        }
        if let Some(id) = response.request_id() {
            aws = aws.request_id(id);
        }
        match headers.get("x-amz-id-2") {
            Some(id) if operation.service().eq_ignore_ascii_case("s3") => aws.id_2(id),
            _ => aws,
        }
    }

    fn note_failure(&self, failure: Failure) {
        if failure.is_throttling {
            self.subsegment.mark(Flag::Throttle);
        }
        match failure.is_of_caller {
            true => self.subsegment.error(failure.exception),
            false => self.subsegment.fault(failure.exception),
        };
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(Record { aws, .. }) = self.record.take() else { return };
        self.subsegment.set_aws(&aws);
        // A panic is noted by the subsegment itself, when its last handle goes.
        if !std::thread::panicking() {
            self.subsegment.fault(Exception::new("Cancelled", "the call was dropped before its response"));
            self.subsegment.close();
        }
    }
}

/// An HTTP client of ours leaves a request with this mark alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenByInterceptor;

/// Gives the request the header by which the service joins the trace.
pub(crate) fn carry(subsegment: &Subsegment, request: &mut HttpRequest) {
    if let Some(header) = subsegment.trace_header() {
        // A value that cannot be sent is left out.
        let _ = request.headers_mut().try_insert(TRACE_HEADER, header_value(&header));
    }
}
