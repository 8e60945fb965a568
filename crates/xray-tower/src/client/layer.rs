//! The client layer and its options, which all clients of the layer share.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tower_layer::Layer;

use super::config::{ClientConfig, Origin};
use super::error::{Boxed, Typed};
use super::service::XRayClient;
use super::start::{AtCall, AtFirstPoll, Kinds};

/// Records a subsegment for each call of a tower HTTP client: a `Service` of `http::Request`, or `reqwest::Client` itself.
/// The module [`client`](crate::client) lists what it records.
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
/// Inner layers run inside the call. A timeout in an inner layer is recorded as a timeout; a timeout in an outer layer drops
/// the call, which is then recorded as `Cancelled`.
///
/// A call belongs to the entity that is current when the client is called. If there is none, it belongs to the entity that is
/// current when the future is first polled. So the layer works on both sides of a `Buffer`, whose worker calls the client in
/// another task and returns the future to the caller:
///
/// | Stack | Use |
/// |---|---|
/// | `.layer(XRayClientLayer::new().boxed_errors()).buffer(8).service(client)` | any client; the subsegment includes the time in the buffer |
/// | `.buffer(8).layer(XRayClientLayer::new()).service(client)` | clients that are `Clone`; the call begins at the first poll of its future |
/// | `.layer(CallParentLayer::new()).buffer(8).layer(XRayClientLayer::new().at_call()).service(client)` | any client |
/// | [`CallParentLayer`], then a layer that spawns, then this one | layers that run the whole call in another task |
///
/// The first line needs [`boxed_errors`](XRayClientLayer::boxed_errors), because a buffer fails with
/// `Box<dyn Error + Send + Sync>`. The second does not compile for a client that is not `Clone`, such as a balanced one
/// (`tower::balance`). Where a service is required, the compiler names the problem and the solution:
///
/// ```text
/// the client's error `Box<(dyn std::error::Error + Send + Sync + 'static)>` cannot be described
/// `Balance<..>` is not `Clone`, so a call cannot wait for the context of its first poll
/// ```
///
/// Where `.oneshot(..)` or `.ready()` is called, both problems have the same message:
///
/// ```text
/// the method `oneshot` exists for struct `XRayClient<..>`, but its trait bounds were not satisfied
/// ```
///
/// # gRPC
///
/// tonic adds the origin to requests inside `Channel`, so the layer around it sees only a path. With
/// [`origin`](XRayClientLayer::origin) the call has the name and the URL of its host. Without it, it has the name of the gRPC
/// service, such as `grpc.health.v1.Health`, and its URL is only the path.
///
/// With gRPC-web, put the layer outside of `GrpcWebClientLayer`, which turns the last bytes of the body into trailers.
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
/// `C` and `B` select how errors of the call and of the response body are described. The default is for errors that implement
/// `Error`. `W` selects when calls begin.
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
    /// Creates a layer with the default options.
    pub fn new() -> XRayClientLayer {
        XRayClientLayer { config: Arc::default(), kinds: PhantomData }
    }
}

impl<C, B, W> XRayClientLayer<C, B, W> {
    crate::client_option_methods!();

    /// Sets the origin of requests whose URI is only a path, such as those of tonic: `http://inventory:50051`.
    ///
    /// Default: unknown. A host in the URI takes precedence over the origin, and the origin over a `Host` header. A second call
    /// replaces the origin; a text without a host removes it.
    pub fn origin(self, origin: impl fmt::Display) -> Self {
        self.configure(|config| config.origin = Origin::parse(&origin.to_string()))
    }

    /// Accepts clients that fail with `Box<dyn Error + Send + Sync>`, as most tower layers do (timeout, buffer).
    pub fn boxed_errors(self) -> XRayClientLayer<Boxed, B, W> {
        self.change()
    }

    /// Accepts responses whose body fails with `Box<dyn Error + Send + Sync>`.
    pub fn boxed_body_errors(self) -> XRayClientLayer<C, Boxed, W> {
        self.change()
    }

    /// Describes errors by your own markers; see [`AsError`](crate::client::AsError).
    pub fn errors_by<OfCall, OfBody>(self) -> XRayClientLayer<OfCall, OfBody, W> {
        self.change()
    }

    /// Begins every call when the client is called, so the client need not be `Clone`. A call without a current entity is then
    /// not traced, instead of waiting for the first poll of its future.
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
