//! AWS X-Ray for poem: a middleware that records a segment for each request.
//!
//! It is the example of [Writing an adapter](../../docs/writing-an-adapter.md). Its tests run the behaviours that all
//! server adapters have.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use poem::http::uri::{Scheme, Uri};
use poem::http::{HeaderMap, HeaderValue};
use poem::web::RemoteAddr;
use poem::{Addr, Body, Endpoint, IntoResponse, Middleware, Request, Response, Result};
use xray_core::adapter::{
    BodyLength, CONTENT_LENGTH, ServerConfig, ServerRequest, ServerRequestDetails, ServerRequestInfo, TRACE_HEADER,
    content_length, server_option_methods,
};
use xray_core::http::HttpResponse;
use xray_core::{Naming, Segment};

/// Records a segment for each request that passes.
#[derive(Clone, Debug)]
pub struct XRay {
    config: Arc<ServerConfig<Request, Head>>,
}

/// What the function of [`XRay::end_at_headers`] decides on.
#[derive(Debug)]
pub struct Head {
    /// The URI of the request.
    pub uri: Uri,
    /// The headers of the response.
    pub headers: HeaderMap,
}

impl XRay {
    /// Creates a middleware whose segments are named by a text, or by the host of each request.
    pub fn new(naming: impl Into<Naming>) -> XRay {
        XRay { config: Arc::new(ServerConfig::new(naming)) }
    }

    server_option_methods! {
        request: Request;
        scheme;
        peer;
        ignore;
        sampling_attributes;
    }

    /// Closes the segment at the headers of those responses for which `end_at_headers` returns true.
    ///
    /// Default: each segment lasts until the end of the body. A second call replaces the function.
    pub fn end_at_headers(self, end_at_headers: impl Fn(&Head) -> bool + Send + Sync + 'static) -> XRay {
        self.configure(|config| config.set_end_at_headers(end_at_headers))
    }

    fn configure(mut self, change: impl FnOnce(&mut ServerConfig<Request, Head>)) -> XRay {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

/// The facts of the request that decide whether it is recorded.
fn request_info(request: &Request) -> ServerRequestInfo<'_> {
    let mut info = ServerRequestInfo::from_headers(headers(request));
    info.method = request.method().as_str();
    // Not `uri()`: nested routes have cut its prefix off.
    let uri = request.original_uri();
    let target = uri.path_and_query().map(|target| target.as_str());
    info.set_uri(uri.authority().map(|authority| authority.as_str()), target);
    info.segment = request.data::<RequestSegment>().map(|segment| &segment.0);
    info
}

/// What only a recorded segment shows of the request.
fn request_details(request: &Request) -> ServerRequestDetails<'_> {
    let mut details = ServerRequestDetails::from_headers(headers(request));
    details.scheme = request.original_uri().scheme_str();
    details.secure = *request.scheme() == Scheme::HTTPS;
    if let RemoteAddr(Addr::SocketAddr(address)) = request.remote_addr() {
        details.peer = Some(address.ip());
    }
    details
}

fn headers(request: &Request) -> impl Iterator<Item = (&str, &[u8])> {
    request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// The segment of a request, for a second middleware that the request passes.
#[derive(Clone)]
struct RequestSegment(Segment);

impl<E: Endpoint> Middleware<E> for XRay {
    type Output = XRayEndpoint<E>;

    fn transform(&self, inner: E) -> XRayEndpoint<E> {
        XRayEndpoint { inner, config: self.config.clone() }
    }
}

/// The endpoint that [`XRay`] makes.
#[derive(Debug)]
pub struct XRayEndpoint<E> {
    inner: E,
    config: Arc<ServerConfig<Request, Head>>,
}

impl<E: Endpoint> Endpoint for XRayEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let mut traced = self.config.begin(&request, request_info, request_details);
        let mut uri = None;
        if traced.segment().is_recording() {
            uri = self.config.end_at_headers().map(|_| request.original_uri().clone());
            request.set_data(RequestSegment(traced.segment().downgrade()));
        }
        // Dropped before `traced`, since it is declared later: what the handler has begun closes before its segment.
        let mut call = pin!(self.inner.call(request));
        let result = poll_fn(|cx| traced.run(|| call.as_mut().poll(cx))).await;
        match result {
            Ok(output) => {
                // This may be code of the application as well.
                let response = traced.run(|| output.into_response());
                Ok(self.respond(response, traced, uri))
            }
            Err(error) => {
                // poem makes the response further out: here it has no body, and no header that could be set.
                let status = error.status();
                if status.is_server_error() {
                    traced.segment().fault(&error);
                } else if status.is_client_error() {
                    traced.segment().error(&error);
                }
                traced.head(HttpResponse::new(status.as_u16()), BodyLength::Unknown);
                traced.end();
                Err(error)
            }
        }
    }
}

impl<E> XRayEndpoint<E> {
    /// Records the head of the response. The body records the rest.
    fn respond(&self, mut response: Response, mut traced: ServerRequest, uri: Option<Uri>) -> Response {
        let header = traced.response_header().and_then(|header| HeaderValue::try_from(header.to_string()).ok());
        if let Some(header) = header {
            response.headers_mut().insert(TRACE_HEADER, header);
        }
        let body = BoxBody::from(response.take_body());
        let length = match body.size_hint().exact() {
            Some(0) => BodyLength::Nothing,
            Some(bytes) => BodyLength::Exact(bytes),
            None => BodyLength::Unknown,
        };
        let declared = response.headers().get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
        traced.head(HttpResponse::new(response.status().as_u16()).content_length(declared), length);
        if let (Some(rule), Some(uri)) = (self.config.end_at_headers(), uri) {
            let head = Head { uri, headers: std::mem::take(response.headers_mut()) };
            if rule.call(&head).unwrap_or(false) {
                traced.end_at_headers();
            }
            *response.headers_mut() = head.headers;
        }
        response.set_body(Body::from(BoxBody::new(TracedBody { inner: body, traced })));
        response
    }
}

/// The body of a response, unchanged. The segment is current while it is polled, and closes with its end.
struct TracedBody {
    // Dropped first: what it has begun closes before its segment.
    inner: BoxBody<Bytes, io::Error>,
    traced: ServerRequest,
}

impl HttpBody for TracedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let TracedBody { inner, traced } = &mut *self;
        let frame = ready!(traced.run(|| Pin::new(&mut *inner).poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) => {
                traced.sent(frame.data_ref().map_or(0, Bytes::len));
                // A server need not ask again after that.
                if inner.is_end_stream() {
                    traced.end();
                }
            }
            Some(Err(error)) => traced.failed(error as &(dyn Error + 'static)),
            None => traced.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
