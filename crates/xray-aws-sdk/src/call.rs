//! One operation, from its input to its outcome, across all attempts.

use std::sync::Arc;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::telemetry::CapturedTelemetryAttributes;
use aws_types::region::{Region, SigningRegion};
use aws_types::request_id::RequestId;
use xray_core::adapter::{CONTENT_LENGTH, TRACE_HEADER, content_length, header_value};
use xray_core::http::{HttpResponse as ResponseBlock, flags_of_status};
use xray_core::{Aws, Entity, Exception, Flag, Namespace, Subsegment};

use crate::allowlist::{Allowlist, Parameters};
use crate::body::{BodyTracker, track};
use crate::failure::CallFailure;
use crate::members::{self, Form};

/// The state of an operation, kept in the SDK's configuration bag. The SDK drops it together with the call.
#[derive(Debug)]
pub(crate) struct Call {
    subsegment: Subsegment,
    /// Taken when the operation ends.
    record: Option<Record>,
}

/// What is to be recorded.
#[derive(Debug)]
struct Record {
    operation: Metadata,
    /// The `aws` block so far.
    aws: Aws,
    parameters: Option<Arc<Parameters>>,
    /// The encoding of the request.
    form: Form,
    /// The response body of the last attempt.
    body: Option<Arc<BodyTracker>>,
}

impl Storable for Call {
    type Storer = StoreReplace<Call>;
}

impl Call {
    /// Begins the subsegment. There is no request if the SDK rejected the operation's input.
    pub(crate) fn begin(
        parent: &Entity,
        cfg: &ConfigBag,
        allowlist: &Allowlist,
        request: Option<&HttpRequest>,
    ) -> Call {
        let operation = cfg.load::<Metadata>().cloned().unwrap_or_else(|| Metadata::new("", "AWS"));
        let subsegment = parent.subsegment(operation.service().replace(' ', ""));
        subsegment.set_namespace(Namespace::Aws);
        let aws = Aws::operation(operation.name());
        let region = cfg.load::<Region>().map(Region::as_ref);
        let mut aws = match region.or_else(|| cfg.load::<SigningRegion>().map(SigningRegion::as_ref)) {
            Some(region) => aws.region(region),
            None => aws,
        };
        let parameters = allowlist.find(operation.service(), operation.name()).cloned();
        let mut form = Form::Unread;
        if let (Some(parameters), Some(request)) = (&parameters, request) {
            // The SDK may have captured some of them.
            let captured = cfg.load::<CapturedTelemetryAttributes>();
            let (found, read) = members::of_request(parameters, &operation, captured, request);
            (aws, form) = (members::record(found, aws), read);
        }
        Call { subsegment, record: Some(Record { operation, aws, parameters, form, body: None }) }
    }

    pub(crate) fn subsegment(&self) -> &Subsegment {
        &self.subsegment
    }

    /// Tracks the response body of an attempt.
    pub(crate) fn track_body(&mut self, response: &mut HttpResponse) {
        if let Some(record) = &mut self.record {
            record.body = Some(track(response.body_mut(), &self.subsegment));
        }
    }

    /// Records the outcome when the SDK has finished the operation. A streamed body may still be in flight.
    pub(crate) fn end(&mut self, context: &InterceptorContext, components: &RuntimeComponents, attempts: u32) {
        let Some(record) = self.record.take() else { return };
        let Record { operation, aws, parameters, form, body } = record;
        let mut aws = aws.retries(attempts.saturating_sub(1));
        let response = context.response();
        if let Some(response) = response {
            aws = self.record_response(response, &operation, aws);
            if let Some(parameters) = parameters {
                aws = members::record(members::of_response(&parameters, &operation, form, response), aws);
            }
        }
        let is_streamed = match context.output_or_error() {
            Some(Ok(_)) => response.is_some_and(|response| response.body().bytes().is_none()),
            Some(Err(error)) => {
                self.record_failure(CallFailure::of(error, context, components));
                false
            }
            None => false,
        };
        self.subsegment.set_aws(&aws);
        match body.filter(|_| is_streamed) {
            Some(body) => body.hand_over(),
            None => self.subsegment.close(),
        }
    }

    fn record_response(&self, response: &HttpResponse, operation: &Metadata, mut aws: Aws) -> Aws {
        let (status, headers) = (response.status().as_u16(), response.headers());
        let length = headers.get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
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

    fn record_failure(&self, failure: CallFailure) {
        if failure.is_throttling {
            self.subsegment.mark(Flag::Throttle);
        }
        match failure.is_client_error {
            true => self.subsegment.error(failure.exception),
            false => self.subsegment.fault(failure.exception),
        };
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(Record { aws, .. }) = self.record.take() else { return };
        self.subsegment.set_aws(&aws);
        // During a panic, the subsegment records the panic itself when its last handle is dropped.
        if !std::thread::panicking() {
            self.subsegment.fault(Exception::new("Cancelled", "the call was dropped before its response"));
            self.subsegment.close();
        }
    }
}

/// Marks a request that [`XRayHttpClient`](crate::XRayHttpClient) passes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenByInterceptor;

/// Inserts the header by which the service joins the trace.
pub(crate) fn insert_trace_header(subsegment: &Subsegment, request: &mut HttpRequest) {
    if let Some(header) = subsegment.trace_header() {
        // A value that is not valid in a header is left out.
        let _ = request.headers_mut().try_insert(TRACE_HEADER, header_value(&header));
    }
}
