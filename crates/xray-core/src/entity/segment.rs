//! Segments: what this service did for one request.

use super::either::Entity;
use super::handle::Handle;
use super::methods::shared_methods;
use super::owner::{Owner, Share};
use crate::http::{HttpRequest, HttpResponse};

/// The work of this service for one request or one job.
///
/// A server layer begins one for each request; [`Recorder::begin`](crate::Recorder::begin) and its variants begin one
/// for anything else. When the segment closes, the SDK sends it with all subsegments that are complete.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// let segment = recorder.begin("nightly-import");
/// segment.set_user("john123").annotate("files", 12);
/// segment.subsegment("download").close();
/// segment.close();
/// # assert_eq!(traces.take().single().tree(), "nightly-import [files=12]\n  download\n");
/// ```
///
/// # Handles
///
/// Clones refer to the same segment. The first [`close`](Segment::close) closes it, and further ones do nothing.
/// Without a `close`, the segment closes when the last handle that a `begin` method returned, and the last guard or future
/// that such a handle made, is dropped. Handles from [`current_segment`](crate::current_segment), from an extractor or
/// from [`downgrade`](Segment::downgrade) do not keep it open.
///
/// Every method is safe to call at any time: if the trace is not sampled, the SDK is disabled or the segment is closed,
/// it does nothing. Writes to a closed segment are counted in
/// [`Stats::late_writes`](crate::stats::Stats::late_writes).
///
/// # In the handler of a request
///
/// A handler that a server layer calls adds to the segment that the layer began:
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// fn handle(user: &str) {
///     xray_core::current_segment().set_user(user).annotate("tier", "gold");
///     xray_core::capture("price", |_| ());
/// }
///
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// handle("john123");
/// # drop(guard);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop [tier=gold]\n  price\n");
/// ```
#[derive(Clone)]
pub struct Segment {
    owner: Owner,
}

shared_methods!(Segment);

impl Segment {
    /// The handle of a segment that has just begun.
    pub(crate) fn begun(handle: Handle) -> Segment {
        Segment { owner: Owner::first(handle) }
    }

    /// A handle of no segment.
    pub(crate) const fn noop() -> Segment {
        Segment { owner: Owner::borrowed(Handle::Noop) }
    }

    /// A handle that does not keep the segment open.
    pub(crate) fn borrowed(handle: Handle) -> Segment {
        Segment { owner: Owner::borrowed(handle) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.owner.handle()
    }

    pub(crate) fn share(&self) -> Option<Share> {
        self.owner.share()
    }

    /// Returns the segment as an [`Entity`], which does not keep it open.
    pub fn entity(&self) -> Entity {
        Entity::new(self.handle().clone())
    }

    /// Returns a handle to the same segment that does not keep it open.
    ///
    /// Code that receives it adds to the segment, and the owner of the segment closes it.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// let segment = recorder.begin("shop");
    /// let for_workers = segment.downgrade();
    /// drop(segment); // closes the segment
    /// assert!(!for_workers.is_recording());
    /// ```
    pub fn downgrade(&self) -> Segment {
        Segment::borrowed(self.handle().clone())
    }

    /// Sets the user who made the request. X-Ray indexes it for search.
    ///
    /// Longer values are cut to 250 characters. Calling this again replaces the user.
    pub fn set_user(&self, user: &str) -> &Segment {
        self.handle().edit(|body| body.set_user(user));
        self
    }

    /// Sets the HTTP request that the segment is for.
    ///
    /// Server layers do this. Calling this again replaces the block.
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// use xray_core::http::{HttpRequest, HttpResponse};
    ///
    /// let segment = recorder.begin("shop");
    /// segment
    ///     .set_http_request(&HttpRequest::new("GET", "https://shop.example.com/cart").user_agent("curl/8"))
    ///     .set_http_response(&HttpResponse::new(200).content_length(1_204));
    /// ```
    pub fn set_http_request(&self, request: &HttpRequest<'_>) -> &Segment {
        self.handle().edit(|body| body.set_http_request(|out| request.write(out)));
        self
    }

    /// Sets the HTTP response.
    ///
    /// It sets no flags: use [`mark`](Segment::mark) with
    /// [`flags_of_status`](crate::http::flags_of_status). Calling this again replaces the block.
    pub fn set_http_response(&self, response: &HttpResponse) -> &Segment {
        self.handle().edit(|body| body.set_http_response(|out| response.write(out)));
        self
    }

    /// Drops whatever of the trace has not been sent.
    ///
    /// From now on nothing in it is recorded, and calls to other services carry `Sampled=0`.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// let segment = recorder.begin("poll the queue");
    /// # let messages: Vec<String> = vec![];
    /// if messages.is_empty() {
    ///     segment.discard();
    /// }
    /// segment.close();
    /// assert!(traces.take().is_empty());
    /// ```
    pub fn discard(&self) {
        if let Some(node) = self.handle().recorded() {
            node.discard();
        }
    }

    /// Closes the segment and sends it.
    ///
    /// Never waits for subsegments. Those that are open are sent as in progress, and again on their own when they
    /// close. Closing a closed segment does nothing.
    pub fn close(&self) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(None);
        }
    }

    /// Closes the segment as of `end`, for work that ended earlier.
    ///
    /// An `end` before the start is replaced by the start. Closing a closed segment does nothing.
    pub fn close_at(&self, end: std::time::SystemTime) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(Some(end.into()));
        }
    }
}
