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
/// # Place among other middleware
///
/// Middleware added *after* it runs inside the call. With a retry middleware added *before* it, each attempt is a subsegment;
/// with one added after it, all attempts are one subsegment, whose outcome is that of the last.
///
/// # Redirects
///
/// reqwest follows them inside the call: one subsegment, with the URL that was requested and the status of the last response.
/// Each hop carries the header, also to other hosts: there reqwest removes only `Authorization`, `Cookie` and the like.
///
/// # What the caller sees
///
/// The same response and the same error. When a sampled call is recorded until the end of its body, an error *of the body* has
/// the same kind and text, but two more `reqwest::Error` in its `source()` chain, since reqwest wraps the body again; [`end_at_headers`](XRayMiddleware::end_at_headers) avoids that.
#[derive(Clone, Debug, Default)]
#[must_use = "a middleware does nothing until a client is built with it"]
pub struct XRayMiddleware {
    config: Arc<ClientConfig>,
}

impl XRayMiddleware {
    /// Creates a middleware with the defaults.
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
    // Not an `async fn`: `async_trait` would box the next future also when there is nothing to record.
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
            Some(call) => Box::pin(Recorded::<_, OfMiddleware>::start(Some(call), || next.run(request, extensions))),
        }
    }
}

/// Views the error inside the middleware's error.
struct OfMiddleware;

impl AsError<reqwest_middleware::Error> for OfMiddleware {
    fn as_error(error: &reqwest_middleware::Error) -> &(dyn Error + 'static) {
        match error {
            reqwest_middleware::Error::Reqwest(error) => error,
            reqwest_middleware::Error::Middleware(error) => error.as_ref(),
        }
    }
}
