//! The body of an answer, watched until its end.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_smithy_types::body::{Error, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use xray_core::adapter::body_failure;
use xray_core::{Exception, Subsegment};

/// Has `body` tell how it ends.
///
/// All bodies are watched, because whether the SDK streams one to the application is known only afterwards.
pub(crate) fn watch(body: &mut SdkBody, subsegment: &Subsegment) -> Arc<Watch> {
    let watch = Arc::new(Watch { subsegment: subsegment.clone(), stage: Mutex::new(Stage::OfTheSdk) });
    let inner = std::mem::replace(body, SdkBody::taken());
    *body = SdkBody::from_body_1_x(WatchedBody { inner, is_read: false, watch: Some(watch.clone()) });
    watch
}

/// How far a body is, and who closes the call's subsegment.
#[derive(Debug)]
pub(crate) struct Watch {
    subsegment: Subsegment,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    /// The SDK reads the body itself, or has not yet handed it over.
    OfTheSdk,
    /// It ended before it was handed over.
    Over(End),
    /// The application reads it: its end is the call's.
    OfTheApplication,
}

#[derive(Debug)]
enum End {
    Complete,
    Failed(Exception),
    Dropped,
}

impl Watch {
    /// From now on the end of the body closes the subsegment.
    pub(crate) fn take_over(&self) {
        if let Stage::Over(end) = self.turn(Stage::OfTheApplication) {
            self.close(end);
        }
    }

    fn ended(&self, end: End) {
        // Decided under the lock, recorded outside of it.
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Stage::OfTheApplication) {
            drop(stage);
            self.close(end);
        } else {
            *stage = Stage::Over(end);
        }
    }

    fn turn(&self, next: Stage) -> Stage {
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

struct WatchedBody {
    inner: SdkBody,
    is_read: bool,
    /// Taken when the end was told.
    watch: Option<Arc<Watch>>,
}

impl WatchedBody {
    fn tell(&mut self, end: impl FnOnce() -> End) {
        if let Some(watch) = self.watch.take() {
            watch.ended(end());
        }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.is_read = true;
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !Body::is_end_stream(&self.inner) => {}
            Some(Ok(_)) | None => self.tell(|| End::Complete),
            Some(Err(error)) => self.tell(|| End::Failed(body_failure(&**error))),
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

impl Drop for WatchedBody {
    fn drop(&mut self) {
        // What was never read was not cut.
        let is_complete =
            !self.is_read || Body::is_end_stream(&self.inner) || Body::size_hint(&self.inner).exact() == Some(0);
        self.tell(|| if is_complete { End::Complete } else { End::Dropped });
    }
}
