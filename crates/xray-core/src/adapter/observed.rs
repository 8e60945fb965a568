//! What is observed of a request: its segment and the progress of its response.

use std::any::Any;

use crate::cause::{Exception, panic_exception};
use crate::entity::Segment;
use crate::flag::Flag;
use crate::grpc::GrpcStatus;
use crate::http::{HttpResponse, flags_of_status};
use crate::sampling::TrackedRequest;

use super::BodyLength;
use super::transfer::Transfer;

/// A request of which something is recorded, returned to the caller or reported to the sampler.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) segment: Segment,
    pub(super) transfer: Transfer,
    pub(super) method: Method,
    /// The segment is closed, but code of the body still runs in its context.
    pub(super) outlived: bool,
    /// The response carries trace id and decision.
    pub(super) respond: bool,
    /// Reports the end of the request to the sampler, if it needs that.
    pub(super) tracked: Option<TrackedRequest>,
}

/// The request's method, as far as it determines whether the response has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Connect,
    Other,
}

impl Method {
    pub(super) fn of(method: &str) -> Method {
        match method {
            "HEAD" => Method::Head,
            "CONNECT" => Method::Connect,
            _ => Method::Other,
        }
    }
}

impl Observed {
    pub(super) fn head(&mut self, mut response: HttpResponse, body: BodyLength) {
        let declared = response.content_length;
        let body = match (self.method, response.status()) {
            (_, 100..=199 | 204 | 304) | (Method::Connect, 200..=299) => BodyLength::Nothing,
            (_, _) if declared.is_some() => body,
            (_, _) => {
                response.content_length = match body {
                    BodyLength::Nothing => Some(0),
                    BodyLength::Exact(bytes) => Some(bytes),
                    BodyLength::Unknown => None,
                };
                body
            }
        };
        self.segment.set_http_response(&response);
        if let Some(tracked) = &mut self.tracked
            && !tracked.failed
        {
            tracked.status = Some(response.status());
        }
        for flag in flags_of_status(response.status()) {
            self.segment.mark(*flag);
        }
        match body {
            BodyLength::Nothing => self.end(),
            _ if self.method == Method::Head => self.end(),
            // Trailers may follow even if no bytes do.
            BodyLength::Exact(bytes) => self.transfer.expect(Some(bytes)),
            BodyLength::Unknown => self.transfer.expect(declared),
        }
    }

    pub(super) fn end_at_headers(&mut self) {
        if !self.transfer.is_done() {
            self.end();
            self.outlived = true;
        }
    }

    pub(super) fn grpc_status(&mut self, status: GrpcStatus<'_>) {
        if self.outlived {
            return;
        }
        self.segment.handle().fail_unless_described(status.flags(), || status.exception());
        // The sampler must not see the HTTP status, which is 200.
        if let Some(tracked) = &mut self.tracked
            && status.flags().contains(&Flag::Fault)
        {
            (tracked.status, tracked.failed) = (None, true);
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.transfer.is_done() && !self.outlived
    }

    pub(super) fn end(&mut self) {
        self.outlived = false;
        self.transfer.finish();
        self.segment.close();
        if let Some(tracked) = self.tracked.take() {
            tracked.end();
        }
    }

    pub(super) fn failed(&mut self, error: impl Into<Exception>) {
        if !self.outlived {
            self.segment.fault(error.into());
            self.note_cut();
        }
        self.track_failure();
        self.end();
    }

    pub(super) fn panicked(&mut self, payload: &(dyn Any + Send)) {
        if self.segment.is_recording() && !self.outlived {
            self.segment.fault(panic_exception(payload));
            self.note_cut();
        }
        self.track_failure();
        self.end();
    }

    /// Notes that a failure after the head ended the body early.
    fn note_cut(&self) {
        if self.transfer.is_moving() {
            self.segment.metadata_in("xray", "aborted", &true);
        }
    }

    /// Reports a failure to the sampler, if it observes the request.
    fn track_failure(&mut self) {
        if let Some(tracked) = &mut self.tracked {
            tracked.failed = true;
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if self.segment.is_recording() {
            self.transfer.note_dropped(self.segment.entity(), "the request was dropped before its response");
        }
        self.track_failure();
        self.end();
    }
}
