//! The layer: what is configured once, shared by all clients it makes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tower_layer::Layer;

use super::config::{ClientConfig, Origin};
use super::error::{Boxed, Typed};
use super::service::XRayClient;
use super::start::{AtCall, AtFirstPoll, Kinds};

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
/// use xray_tower::XRayClientLayer;
///
/// let hyper = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
/// let client = ServiceBuilder::new().layer(XRayClientLayer::new()).service(hyper);
///
/// let response = client.oneshot(Request::get("http://inventory.example.com/items").body(Empty::new())?).await?;
/// # Ok(())
/// # }
/// ```
///
/// Requests take [`SubsegmentName`], [`Untraced`], [`WithoutHeader`] and [`CallParent`] as extensions.
///
/// # Place among other layers
///
/// The layers inside of it run inside the call: a timeout inside is recorded as such, one outside drops the call, which is then
/// recorded as `Cancelled`.
///
/// A call belongs to the entity that is current when the client is called. Without one it belongs to the entity that is
/// current when its future is polled for the first time. So the layer works on both sides of a `Buffer`, whose worker
/// calls the client in a task of its own and hands the future back:
///
/// | stack | |
/// |---|---|
/// | `.layer(XRayClientLayer::new().boxed_errors()).buffer(8).service(client)` | for any client; the subsegment includes the wait in the buffer |
/// | `.buffer(8).layer(XRayClientLayer::new()).service(client)` | for clients that are `Clone`: the call waits for the first poll of its future |
/// | `.layer(CallParentLayer::new()).buffer(8).layer(XRayClientLayer::new().at_call()).service(client)` | for any client |
/// | a layer that spawns, then this one | [`CallParentLayer`] around both: the future never comes back to the caller's task |
///
/// Without [`boxed_errors`](XRayClientLayer::boxed_errors) the first line does not compile, since a buffer fails with
/// `Box<dyn Error + Send + Sync>`. Nor does the second for a client that is not `Clone`, such as a balanced one
/// (`tower::balance`). Where a service is required, the compiler says which one it is and what to write:
///
/// ```text
/// the client's error `Box<(dyn std::error::Error + Send + Sync + 'static)>` cannot be described
/// `Balance<..>` is not `Clone`, so a call cannot wait for the context of its first poll
/// ```
///
/// Where `.oneshot(..)` or `.ready()` is called, it says this of both:
///
/// ```text
/// the method `oneshot` exists for struct `XRayClient<..>`, but its trait bounds were not satisfied
/// ```
///
/// # gRPC
///
/// tonic adds the origin to requests inside `Channel`, so the layer around it sees only a path. With
/// [`origin`](XRayClientLayer::origin) the call has the name and the URL of its host. Without it, it has the name of the gRPC
/// service, such as `grpc.health.v1.Health`, and no URL.
///
/// ```no_run
/// # #[cfg(feature = "hyper")]
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use tonic::transport::Channel;
/// use tonic_health::pb::health_client::HealthClient;
/// use xray_tower::XRayClientLayer;
///
/// let channel = Channel::from_static("http://inventory:50051").connect_lazy();
/// let traced = XRayClientLayer::new().origin("http://inventory:50051");
/// let client = HealthClient::new(tower::ServiceBuilder::new().layer(traced).service(channel));
/// # Ok(())
/// # }
/// ```
///
/// # Types
///
/// The types `C` and `B` define how errors of the call and of the response's body are viewed. Errors that implement `Error` need
/// no setting. The type `W` defines when calls begin.
///
/// [`CallParentLayer`]: crate::client::CallParentLayer
/// [`SubsegmentName`]: crate::client::SubsegmentName
/// [`Untraced`]: crate::client::Untraced
/// [`WithoutHeader`]: crate::client::WithoutHeader
/// [`CallParent`]: crate::client::CallParent
#[must_use = "a layer does nothing until it is applied"]
pub struct XRayClientLayer<C = Typed, B = Typed, W = AtFirstPoll> {
    config: Arc<ClientConfig>,
    kinds: Kinds<C, B, W>,
}

impl XRayClientLayer {
    /// Creates a layer with the defaults.
    pub fn new() -> XRayClientLayer {
        XRayClientLayer { config: Arc::default(), kinds: PhantomData }
    }
}

impl<C, B, W> XRayClientLayer<C, B, W> {
    crate::client_option_methods!();

    /// Sets the origin of requests whose URI is only a path, such as those of tonic: `http://inventory:50051`.
    ///
    /// Default: not known. A host in the URI takes precedence over it, and it takes precedence over a `Host` header. A second
    /// call replaces the origin; a text without a host removes it.
    pub fn origin(self, origin: impl fmt::Display) -> Self {
        self.configure(|config| config.origin = Origin::parse(&origin.to_string()))
    }

    /// Accepts clients that return `Box<dyn Error + Send + Sync>`, as most of tower does (a timeout, a buffer).
    pub fn boxed_errors(self) -> XRayClientLayer<Boxed, B, W> {
        self.change()
    }

    /// Accepts responses whose body returns `Box<dyn Error + Send + Sync>`.
    pub fn boxed_body_errors(self) -> XRayClientLayer<C, Boxed, W> {
        self.change()
    }

    /// Views errors by markers of your own: see [`AsError`](crate::client::AsError).
    pub fn errors_by<OfCall, OfBody>(self) -> XRayClientLayer<OfCall, OfBody, W> {
        self.change()
    }

    /// Begins every call when the client is called, so the client need not be `Clone`. A call that finds no current entity is not
    /// traced, instead of waiting for the first poll of its future.
    pub fn at_call(self) -> XRayClientLayer<C, B, AtCall> {
        self.change()
    }

    fn configure(mut self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    fn change<OfCall, OfBody, When>(self) -> XRayClientLayer<OfCall, OfBody, When> {
        XRayClientLayer { config: self.config, kinds: PhantomData }
    }
}

impl Default for XRayClientLayer {
    fn default() -> XRayClientLayer {
        XRayClientLayer::new()
    }
}

impl<S, C, B, W> Layer<S> for XRayClientLayer<C, B, W> {
    type Service = XRayClient<S, C, B, W>;

    fn layer(&self, inner: S) -> XRayClient<S, C, B, W> {
        XRayClient { inner, config: self.config.clone(), kinds: PhantomData }
    }
}

impl<C, B, W> Clone for XRayClientLayer<C, B, W> {
    fn clone(&self) -> XRayClientLayer<C, B, W> {
        XRayClientLayer { config: self.config.clone(), kinds: PhantomData }
    }
}

impl<C, B, W> fmt::Debug for XRayClientLayer<C, B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayClientLayer").field("config", &self.config).finish()
    }
}
