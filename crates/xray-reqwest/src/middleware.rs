//! The middleware for `reqwest-middleware`.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{Middleware, Next};
use xray_core::Entity;
use xray_core::adapter::BodyLength;

use crate::body::XRayBody;
use crate::call::{Call, Target};
use crate::error::{AsError, Typed};
use crate::future::{Answer, Recorded};
use crate::options::{Options, option_methods};

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
/// client.get("https://weather.example.com/").with_extension(WithoutHeader).send().await?; // recorded, not told
/// client.get("http://localhost/health").with_extension(Untraced).send().await?; // neither
/// # Ok(())
/// # }
/// ```
///
/// # Place among other middleware
///
/// What is added *after* it happens inside the call. A retry middleware added *before* it makes a subsegment of
/// each attempt, added after it one subsegment of all attempts, whose outcome is that of the last.
///
/// # Redirects
///
/// reqwest follows them inside the call: one subsegment, with the url that was asked for and the status of the
/// last response. Each hop carries the header, to other hosts as well: reqwest removes `Authorization`, `Cookie`
/// and the like there, and nothing else.
///
/// # What the caller sees
///
/// The same response and the same error. When a sampled call is recorded until the end of its body, an error
/// *of the body* has the same kind and text, but two more `reqwest::Error` in its `source()` chain, which come
/// from handing the body back to reqwest; [`end_at_headers`](XRayMiddleware::end_at_headers) avoids that.
#[derive(Clone, Debug, Default)]
#[must_use = "a middleware does nothing until a client is built with it"]
pub struct XRayMiddleware {
    options: Arc<Options>,
}

impl XRayMiddleware {
    /// A middleware with the defaults.
    pub fn new() -> XRayMiddleware {
        XRayMiddleware::default()
    }

    option_methods!();
}

impl Middleware for XRayMiddleware {
    // Written out, because what `async_trait` makes of it would put the next future into a box of ours also when
    // there is nothing to record.
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
        match start(&self.options, &mut request, extensions, None) {
            None => next.run(request, extensions),
            Some(call) => Box::pin(Recorded::<_, OfMiddleware>::start(Some(call), || next.run(request, extensions))),
        }
    }
}

/// Gives the request its header. Returns what there is to record.
pub(crate) fn start(
    options: &Options,
    request: &mut Request,
    extensions: &Extensions,
    current: Option<&Entity>,
) -> Option<Box<Call>> {
    let url = request.url();
    let (scheme, authority) = (url.scheme(), url.authority());
    let target = url.as_str().get(scheme.len() + "://".len() + authority.len()..).unwrap_or_default();
    let to = Target { scheme, authority, target };
    let (headers, call) = options.start(request.method(), to, request.headers(), extensions, current);
    headers.apply_to(request.headers_mut());
    call
}

/// Looks through the middleware's error at what failed.
struct OfMiddleware;

impl AsError<reqwest_middleware::Error> for OfMiddleware {
    fn as_error(error: &reqwest_middleware::Error) -> &(dyn Error + 'static) {
        match error {
            reqwest_middleware::Error::Reqwest(error) => error,
            reqwest_middleware::Error::Middleware(error) => error.as_ref(),
        }
    }
}

impl<B> Answer<B> for Response {
    type Recorded = Response;

    fn recorded(self, call: Option<Box<Call>>) -> Response {
        let Some(mut call) = call else { return self };
        let length = match self.content_length() {
            Some(0) => BodyLength::Nothing,
            Some(bytes) => BodyLength::Exact(bytes),
            None => BodyLength::Unknown,
        };
        if !call.answered(self.status(), self.headers(), self.extensions(), length) {
            return self;
        }
        // reqwest keeps the url beside the response: it would be lost on the way.
        let url = self.url().clone();
        let with_url = http::Response::builder().url(url).body(()).map(|response| response.into_parts().0.extensions);
        let (mut parts, body) = http::Response::<Body>::from(self).into_parts();
        parts.extensions.extend(with_url.unwrap_or_default());
        let body = Body::wrap(XRayBody::<Body, Typed>::new(body, Some(call)));
        http::Response::from_parts(parts, body).into()
    }
}
