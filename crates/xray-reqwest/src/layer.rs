//! The layer: what is configured once, shared by all clients it makes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tower_layer::Layer;

use crate::error::{Boxed, Typed};
use crate::options::{Options, option_methods};
use crate::service::XRayClient;

/// Records a subsegment for each call of a tower HTTP client: a `Service` of `http::Request`, or
/// `reqwest::Client` itself.
///
/// ```no_run
/// # #[cfg(feature = "hyper")]
/// # async fn handler() -> Result<(), Box<dyn std::error::Error>> {
/// use http::Request;
/// use http_body_util::Empty;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::{ServiceBuilder, ServiceExt};
/// use xray_reqwest::XRayClientLayer;
///
/// let hyper = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
/// let client = ServiceBuilder::new().layer(XRayClientLayer::new()).service(hyper);
///
/// let response = client.oneshot(Request::get("http://inventory.example.com/items").body(Empty::new())?).await?;
/// # Ok(())
/// # }
/// ```
///
/// Requests take [`SubsegmentName`], [`Untraced`] and [`CallParent`] as extensions.
///
/// What the layer is put around happens inside the call: a time-out inside shows as what it is, one outside drops
/// the call, which is then recorded as `Cancelled`.
///
/// The types `C` and `B` say how errors are looked at: those of the call and those of the response's body. Errors
/// that implement `Error` need nothing said.
///
/// [`SubsegmentName`]: crate::SubsegmentName
/// [`Untraced`]: crate::Untraced
/// [`CallParent`]: crate::CallParent
#[must_use = "a layer does nothing until it is applied"]
pub struct XRayClientLayer<C = Typed, B = Typed> {
    options: Arc<Options>,
    errors: PhantomData<fn() -> (C, B)>,
}

impl XRayClientLayer {
    /// A layer with the defaults.
    pub fn new() -> XRayClientLayer {
        XRayClientLayer { options: Arc::default(), errors: PhantomData }
    }
}

impl<C, B> XRayClientLayer<C, B> {
    option_methods!();

    /// For clients that fail with `Box<dyn Error + Send + Sync>`, as most of tower does (a time-out, a buffer).
    pub fn boxed_errors(self) -> XRayClientLayer<Boxed, B> {
        self.errors_by()
    }

    /// For responses whose body fails with `Box<dyn Error + Send + Sync>`.
    pub fn boxed_body_errors(self) -> XRayClientLayer<C, Boxed> {
        self.errors_by()
    }

    /// Has errors looked at by markers of your own: see [`AsError`](crate::AsError).
    pub fn errors_by<OfCall, OfBody>(self) -> XRayClientLayer<OfCall, OfBody> {
        XRayClientLayer { options: self.options, errors: PhantomData }
    }
}

impl Default for XRayClientLayer {
    fn default() -> XRayClientLayer {
        XRayClientLayer::new()
    }
}

impl<S, C, B> Layer<S> for XRayClientLayer<C, B> {
    type Service = XRayClient<S, C, B>;

    fn layer(&self, inner: S) -> XRayClient<S, C, B> {
        XRayClient { inner, options: self.options.clone(), errors: PhantomData }
    }
}

impl<C, B> Clone for XRayClientLayer<C, B> {
    fn clone(&self) -> XRayClientLayer<C, B> {
        XRayClientLayer { options: self.options.clone(), errors: PhantomData }
    }
}

impl<C, B> fmt::Debug for XRayClientLayer<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayClientLayer").field("options", &self.options).finish()
    }
}
