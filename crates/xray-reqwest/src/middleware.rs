//! The middleware for `reqwest-middleware`.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};
use xray_tower::client::AsError;
use xray_tower::client::parts::{ClientConfig, Recorded, client_option_methods};

/// Records a subsegment for each call of a `reqwest` client.
///
/// ```no_run
/// use reqwest_middleware::ClientBuilder;
/// use xray_reqwest::{SubsegmentName, Untraced, WithoutHeader, XRayMiddleware};
///
/// # async fn handler() -> reqwest_middleware::Result<()> {
/// let client = ClientBuilder::new(reqwest::Client::new()).with(XRayMiddleware::new()).build();
///
/// client.get("https://inventory.example.com/items").send().await?;
/// client.get("http://10.0.0.7/charge").with_extension(SubsegmentName::from("payments")).send().await?;
/// client.get("https://weather.example.com/").with_extension(WithoutHeader).send().await?; // recorded, without a header
/// client.get("http://localhost/health").with_extension(Untraced).send().await?; // not recorded
/// # Ok(())
/// # }
/// ```
///
/// A function can annotate each subsegment with details of the response:
///
/// ```
/// use xray_reqwest::XRayMiddleware;
///
/// let middleware = XRayMiddleware::new().traced(true).on_outcome(|outcome| {
///     let request_id = outcome.response_headers().and_then(|headers| headers.get("x-request-id"));
///     if let Some(request_id) = request_id.and_then(|value| value.to_str().ok()) {
///         outcome.subsegment().annotate("request_id", request_id);
///     }
/// });
/// ```
///
/// # Place among other middleware
///
/// Middleware that is added *after* this one runs inside the call. If a retry middleware is added *before* it, each attempt
/// has a subsegment. If it is added after it, all attempts share one subsegment with the outcome of the last.
///
/// # Redirects
///
/// reqwest follows redirects inside the call, which remains one subsegment, with the URL of the original request and the
/// status of the last response. Each hop sends the header, also to other hosts: reqwest removes only `Authorization`, `Cookie`
/// and similar headers there.
///
/// # What the caller sees
///
/// Response and error are the same as without the middleware, with one exception. If a sampled call is recorded until the end
/// of its body, an error *of the body* has the same kind and text, but two additional `reqwest::Error` in its `source()` chain,
/// since reqwest wraps the body again. [`end_at_headers`](XRayMiddleware::end_at_headers) avoids this.
#[derive(Clone, Debug, Default)]
#[must_use = "a middleware does nothing until a client is built with it"]
pub struct XRayMiddleware {
    config: Arc<ClientConfig>,
}

impl XRayMiddleware {
    /// Creates a middleware with the default options.
    pub fn new() -> XRayMiddleware {
        XRayMiddleware::default()
    }

    client_option_methods!();

    fn configure(mut self, change: impl FnOnce(&mut ClientConfig)) -> XRayMiddleware {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl Middleware for XRayMiddleware {
    // Not an `async fn`: `async_trait` would box the next future a second time even if nothing is recorded.
    fn handle<'a, 'b, 'c, 'd>(
        &'a self,
        mut request: Request,
        extensions: &'b mut Extensions,
        next: Next<'c>,
    ) -> Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'd>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        match self.config.start_reqwest(&mut request, extensions, None) {
            None => next.run(request, extensions),
            Some(call) => Box::pin(Recorded::<_, MiddlewareError>::start(Some(call), || next.run(request, extensions))),
        }
    }
}

/// Describes the error inside the middleware's error.
struct MiddlewareError;

impl AsError<reqwest_middleware::Error> for MiddlewareError {
    fn as_error(error: &reqwest_middleware::Error) -> &(dyn Error + 'static) {
        match error {
            reqwest_middleware::Error::Reqwest(error) => error,
            reqwest_middleware::Error::Middleware(error) => error.as_ref(),
        }
    }
}
