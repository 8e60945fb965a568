//! One operation, from its input to its outcome, over all attempts.

use std::sync::Arc;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::telemetry::CapturedTelemetryAttributes;
use aws_types::region::{Region, SigningRegion};
use aws_types::request_id::RequestId;
use xray_core::http::{HttpResponse as ResponseBlock, flags_of_status, header_value};
use xray_core::{Aws, Entity, Exception, Flag, Namespace, Subsegment};

use crate::body::Watch;
use crate::failure::Failure;
use crate::members::{self, Found};
use crate::whitelist::{Parameters, Whitelist};

const TRACE_HEADER: &str = "x-amzn-trace-id";

/// What the SDK keeps for us while it performs an operation. It drops it when the call is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    subsegment: Subsegment,
    /// What is known so far. Taken at the end.
    aws: Option<Aws>,
    service: String,
    operation: String,
    parameters: Option<Arc<Parameters>>,
    /// The body of the last attempt's answer.
    answer: Option<Arc<Watch>>,
}

impl Storable for Call {
    type Storer = StoreReplace<Call>;
}

impl Call {
    pub(crate) fn begin(parent: &Entity, cfg: &ConfigBag, whitelist: &Whitelist) -> Call {
        if !parent.is_sampled() {
            let subsegment = parent.subsegment("");
            let (service, operation) = (String::new(), String::new());
            return Call { subsegment, aws: None, service, operation, parameters: None, answer: None };
        }
        let (service, operation) = match cfg.load::<Metadata>() {
            Some(metadata) => (metadata.service(), metadata.name()),
            None => ("AWS", ""),
        };
        let name: String = service.split_whitespace().collect();
        let subsegment = parent.subsegment(&name);
        subsegment.set_namespace(Namespace::Aws);
        let region = cfg.load::<Region>().map(Region::as_ref);
        let aws = Aws::operation(operation);
        Call {
            subsegment,
            aws: Some(match region.or_else(|| cfg.load::<SigningRegion>().map(SigningRegion::as_ref)) {
                Some(region) => aws.region(region),
                None => aws,
            }),
            parameters: whitelist.find(service, operation).cloned(),
            service: name,
            operation: operation.to_owned(),
            answer: None,
        }
    }

    pub(crate) fn subsegment(&self) -> &Subsegment {
        &self.subsegment
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.aws.is_some()
    }

    /// The parameters of the request that the whitelist names. The operation may have told some of them.
    pub(crate) fn parameters_of(&self, request: &HttpRequest, cfg: &ConfigBag) -> Option<Found> {
        let parameters = self.parameters.as_ref()?;
        let told = cfg.load::<CapturedTelemetryAttributes>();
        Some(members::of_request(parameters, &self.service, &self.operation, told, request))
    }

    pub(crate) fn add_parameters(&mut self, found: Found) {
        if let Some(aws) = self.aws.take() {
            self.aws = Some(found.into_iter().fold(aws, |aws, (name, value)| aws.parameter(&name, &value)));
        }
    }

    /// Gives the request the header that carries the trace on.
    pub(crate) fn carry_on(&self, request: &mut HttpRequest) {
        carry(&self.subsegment, request);
        request.add_extension(SeenByInterceptor);
    }

    pub(crate) fn streams(&mut self, answer: Arc<Watch>) {
        self.answer = Some(answer);
    }

    /// The SDK is done with the operation; its answer's body may still be on the way.
    pub(crate) fn end(&mut self, context: &InterceptorContext, components: &RuntimeComponents, attempts: u32) {
        let Some(aws) = self.aws.take() else { return };
        let mut aws = aws.retries(attempts.saturating_sub(1));
        let response = context.response();
        if let Some(response) = response {
            aws = self.note_response(aws, response);
        }
        let is_streamed = match context.output_or_error() {
            Some(Err(error)) => {
                let failure = Failure::of(error, context, components);
                self.note_failure(failure);
                false
            }
            Some(Ok(_)) => response.is_some_and(|response| response.body().bytes().is_none()),
            None => false,
        };
        self.subsegment.set_aws(&aws);
        match self.answer.take().filter(|_| is_streamed) {
            Some(answer) => answer.take_over(),
            None => self.subsegment.close(),
        }
    }

    fn note_response(&self, mut aws: Aws, response: &HttpResponse) -> Aws {
        let (status, headers) = (response.status().as_u16(), response.headers());
        let length = headers.get("content-length").and_then(|length| length.parse::<u64>().ok());
        self.subsegment.set_http_response(&ResponseBlock::new(status).content_length(length));
        for flag in flags_of_status(status) {
            self.subsegment.mark(*flag);
        }
        if let Some(id) = response.request_id() {
            aws = aws.request_id(id);
        }
        if let Some(id) = headers.get("x-amz-id-2").filter(|_| self.service.eq_ignore_ascii_case("s3")) {
            aws = aws.id_2(id);
        }
        match &self.parameters {
            Some(parameters) => members::of_response(parameters, &self.service, &self.operation, response)
                .into_iter()
                .fold(aws, |aws, (name, value)| aws.parameter(&name, &value)),
            None => aws,
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

impl Drop for Call {
    fn drop(&mut self) {
        // A panic is noted by the subsegment itself, when its last handle goes.
        if let Some(aws) = self.aws.take() {
            self.subsegment.set_aws(&aws);
            if !std::thread::panicking() {
                self.subsegment.fault(Exception::new("Cancelled", "the call was dropped before its response"));
                self.subsegment.close();
            }
        }
    }
}
