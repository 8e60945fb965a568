//! Tracks a response body until it ends.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_smithy_types::body::{Error, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use xray_core::adapter::body_failure;
use xray_core::{Exception, Subsegment};

/// Wraps `body` to report how it ends.
///
/// Every body is tracked, because only later is it known whether the SDK streams it to the application.
pub(crate) fn track(body: &mut SdkBody, subsegment: &Subsegment) -> Arc<BodyTracker> {
    let tracker = Arc::new(BodyTracker { subsegment: subsegment.clone(), stage: Mutex::new(Stage::WithSdk) });
    let inner = std::mem::replace(body, SdkBody::taken());
    *body = SdkBody::from_body_1_x(TrackedBody { inner, is_read: false, tracker: Some(tracker.clone()) });
    tracker
}

/// Knows how far a body is, and closes the call's subsegment when a streamed one ends.
#[derive(Debug)]
pub(crate) struct BodyTracker {
    subsegment: Subsegment,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    /// The SDK reads the body itself, or has not yet handed it over.
    WithSdk,
    /// The body ended before the SDK handed it over.
    Ended(End),
    /// The application reads the body; its end is the end of the call.
    WithApplication,
}

#[derive(Debug)]
enum End {
    Complete,
    Failed(Exception),
    Dropped,
}

impl BodyTracker {
    /// Makes the end of the body close the subsegment, at once if the body has already ended.
    pub(crate) fn hand_over(&self) {
        if let Stage::Ended(end) = self.replace_stage(Stage::WithApplication) {
            self.close(end);
        }
    }

    fn ended(&self, end: End) {
        // Decides under the lock, and records after releasing it.
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Stage::WithApplication) {
            drop(stage);
            self.close(end);
        } else {
            *stage = Stage::Ended(end);
        }
    }

    fn replace_stage(&self, next: Stage) -> Stage {
        std::mem::replace(&mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner), next)
    }

    fn close(&self, end: End) {
        match end {
            End::Complete => {}
            End::Failed(exception) => {
                self.subsegment.fault(exception);
            }
            End::Dropped => {
                self.subsegment.metadata_in("xray", "aborted", &true);
            }
        }
        self.subsegment.close();
    }
}

struct TrackedBody {
    inner: SdkBody,
    is_read: bool,
    /// Taken when the end is reported.
    tracker: Option<Arc<BodyTracker>>,
}

impl TrackedBody {
    fn report(&mut self, end: impl FnOnce() -> End) {
        if let Some(tracker) = self.tracker.take() {
            tracker.ended(end());
        }
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.is_read = true;
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !Body::is_end_stream(&self.inner) => {}
            Some(Ok(_)) | None => self.report(|| End::Complete),
            Some(Err(error)) => self.report(|| End::Failed(body_failure(&**error))),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        // A body that was dropped unread counts as complete.
        let is_complete =
            !self.is_read || Body::is_end_stream(&self.inner) || Body::size_hint(&self.inner).exact() == Some(0);
        self.report(|| if is_complete { End::Complete } else { End::Dropped });
    }
}
