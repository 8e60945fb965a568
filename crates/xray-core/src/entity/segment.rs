//! Segments: what this service did for one request.

use super::either::Entity;
use super::handle::{Handle, Owner, Share, shared_methods};
use crate::http::{HttpRequest, HttpResponse};

/// What this service did for one request, or for one job.
///
/// Clones are the same segment. The first [`close`](Segment::close) closes it, once; without one it closes
/// when the last handle that came from [`Recorder::begin`](crate::Recorder::begin) is dropped. The handle got
/// from [`current_segment`](crate::current_segment) or an extractor does not keep it open.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// let segment = recorder.begin("nightly-import");
/// segment.set_user("john123").annotate("files", 12);
/// segment.subsegment("download").close();
/// segment.close();
/// # assert_eq!(traces.take().single().tree(), "nightly-import [files=12]\n  download\n");
/// ```
#[derive(Clone, Debug)]
pub struct Segment {
    owner: Owner,
}

shared_methods!(Segment);

impl Segment {
    pub(crate) fn begun(handle: Handle) -> Segment {
        Segment { owner: Owner::first(handle) }
    }

    /// The same segment, which a server layer has begun for a request.
    pub(crate) fn serving_request(self) -> Segment {
        match self.handle() {
            Handle::NonRecording(passive) => Segment::begun(Handle::NonRecording(passive.clone().serving_request())),
            _ => self,
        }
    }

    pub(crate) fn borrowed(handle: Handle) -> Segment {
        Segment { owner: Owner::borrowed(handle) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.owner.handle()
    }

    pub(crate) fn share(&self) -> Option<Share> {
        self.owner.share()
    }

    /// The same segment without a share in keeping it open.
    pub fn entity(&self) -> Entity {
        Entity::new(self.handle().clone())
    }

    /// A handle to the same segment that does not keep it open: to hand out what others close.
    pub fn downgrade(&self) -> Segment {
        Segment::borrowed(self.handle().clone())
    }

    /// Says for whom the request was made; 250 characters are kept.
    pub fn set_user(&self, user: &str) -> &Segment {
        self.handle().edit(|body| body.set_user(user));
        self
    }

    /// Describes the request that is served.
    pub fn set_http_request(&self, request: &HttpRequest<'_>) -> &Segment {
        self.handle().edit(|body| body.set_http_request(|out| request.write(out)));
        self
    }

    /// Describes the response. Its flags are a matter of [`mark`](Segment::mark).
    pub fn set_http_response(&self, response: &HttpResponse) -> &Segment {
        self.handle().edit(|body| body.set_http_response(|out| response.write(out)));
        self
    }

    /// Forgets the whole trace as far as it was not sent: nothing of it is recorded any more, and calls to
    /// other services carry `Sampled=0`.
    pub fn discard(&self) {
        if let Some(node) = self.handle().recorded() {
            node.discard();
        }
    }

    /// Closes the segment and sends it. What is open below it is shown in progress and sends itself when it
    /// closes. Closing again does nothing.
    pub fn close(&self) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(None);
        }
    }

    /// Closes the segment as of `end`, for work that is known to have ended earlier.
    pub fn close_at(&self, end: std::time::SystemTime) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(Some(end.into()));
        }
    }
}
