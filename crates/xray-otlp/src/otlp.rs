//! The emitter for OTLP receivers.

use std::fmt;
use std::time::Duration;

use prost::Message;
use serde::Deserialize;
use ureq::http::HeaderMap;
use xray_core::document::Document;
use xray_core::emit::{Emitter, EmitterContext, Flushed};

use crate::background::{Background, Encoded, Part, Protocol, Reply};
use crate::batching::Batching;
use crate::client::{Client, Response, Sign, Target, gzip, shown};
use crate::config::{Compression, ConfigError, Encoding, Environment, endpoint, header};
use crate::proto::{ExportResponse, PartialSuccess};
use crate::spans::Mapper;

/// The default endpoint of OpenTelemetry's specification.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318/v1/traces";

/// The default timeout of OpenTelemetry's specification.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default service name of OpenTelemetry's specification.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The maximum size of the documents in a request to X-Ray, which accepts 5 MB and 10,000 spans: an entity has some
/// 100 bytes at least, and its span less than three times its size.
const MAX_SIGNED_BYTES: usize = 768 << 10;

/// The statuses that the specification calls retryable.
const RETRIED: [u16; 4] = [429, 502, 503, 504];

/// Creates a signer for each sending thread.
type NewSigner = Box<dyn Fn() -> Box<dyn Sign> + Send + Sync>;

/// Sends documents as OpenTelemetry spans, by OTLP over HTTP, to a collector, the CloudWatch agent or any other
/// receiver.
///
/// ```
/// use xray_core::Recorder;
/// use xray_otlp::Otlp;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let otlp = Otlp::new("http://127.0.0.1:4318/v1/traces")?;
/// let recorder = Recorder::builder().emitter(otlp).build()?;
/// # let _ = recorder;
/// # Ok(())
/// # }
/// ```
///
/// # Environment
///
/// The emitter reads these variables when it is built; they override code. Each has a form for traces that overrides
/// it, such as `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
///
/// | variable | what it does |
/// |---|---|
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | the base URL, to which `/v1/traces` is added; the form for traces is used as it is |
/// | `OTEL_EXPORTER_OTLP_HEADERS` | additional headers: comma-separated `name=value` pairs with percent-encoded values |
/// | `OTEL_EXPORTER_OTLP_TIMEOUT` | the timeout of a request in milliseconds (default: 10,000) |
/// | `OTEL_EXPORTER_OTLP_COMPRESSION` | `gzip` (default) or `none` |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` (default) or `http/json` |
/// | `OTEL_SERVICE_NAME`, `AWS_XRAY_TRACING_NAME` | the service of streamed parts whose segment is not known yet |
pub struct Otlp(Background);

impl Otlp {
    /// Sends to `endpoint`, unless the environment sets another. `/v1/traces` is appended to a URL without a path.
    ///
    /// # Errors
    ///
    /// When the endpoint or a variable cannot be used.
    pub fn new(endpoint: impl Into<String>) -> Result<Otlp, ConfigError> {
        Otlp::builder().endpoint(endpoint).build()
    }

    /// Sends to the endpoint of the environment (default: `http://localhost:4318/v1/traces`).
    ///
    /// # Errors
    ///
    /// When a variable cannot be used.
    pub fn from_env() -> Result<Otlp, ConfigError> {
        Otlp::builder().build()
    }

    /// Returns a builder with all options.
    pub fn builder() -> OtlpBuilder {
        OtlpBuilder::new()
    }

    /// Sends signed requests straight to X-Ray, in the region and with the credentials of `config`, which `aws_config`
    /// loads. The account needs
    /// [Transaction Search](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Transaction-Search.html).
    ///
    /// The endpoint is `https://xray.<region>.amazonaws.com/v1/traces`, unless `config` or the environment sets
    /// another.
    ///
    /// ```no_run
    /// use aws_types::SdkConfig;
    /// use xray_core::Recorder;
    /// use xray_otlp::Otlp;
    ///
    /// # fn f(config: SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// // let config = aws_config::load_from_env().await;
    /// let recorder = Recorder::builder().emitter(Otlp::aws(&config)?).build()?;
    /// # let _ = recorder;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When `config` has no region or no credentials provider, or a variable cannot be used.
    #[cfg(feature = "aws")]
    pub fn aws(config: &aws_types::SdkConfig) -> Result<Otlp, ConfigError> {
        Otlp::builder().aws(config)?.build()
    }
}

/// Starts no thread and opens no connection before the first document.
impl Emitter for Otlp {
    fn start(&self, context: &EmitterContext) {
        self.0.start(context);
    }

    fn emit(&self, document: Document) {
        self.0.emit(document);
    }

    fn flush(&self, timeout: Duration) -> Flushed {
        self.0.flush(timeout)
    }

    fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
        self.0.when_flushed(then);
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Otlp").field(&self.0).finish()
    }
}

/// Options of an [`Otlp`] emitter.
///
/// ```
/// use std::time::Duration;
/// use xray_otlp::{Batching, Compression, Otlp};
///
/// # fn main() -> Result<(), xray_otlp::ConfigError> {
/// let otlp = Otlp::builder()
///     .endpoint("http://collector:4318")
///     .header("x-tenant", "shop")?
///     .timeout(Duration::from_secs(3))
///     .compression(Compression::None)
///     .batching(Batching::default().delay(Duration::from_millis(200)))
///     .build()?;
/// # let _ = otlp;
/// # Ok(())
/// # }
/// ```
pub struct OtlpBuilder {
    endpoint: String,
    headers: HeaderMap,
    timeout: Duration,
    compression: Compression,
    encoding: Encoding,
    service_name: String,
    batching: Batching,
    signer: Option<NewSigner>,
}

impl OtlpBuilder {
    fn new() -> OtlpBuilder {
        OtlpBuilder {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            headers: HeaderMap::new(),
            timeout: DEFAULT_TIMEOUT,
            compression: Compression::default(),
            encoding: Encoding::default(),
            service_name: UNKNOWN_SERVICE.to_owned(),
            batching: Batching::default(),
            signer: None,
        }
    }

    /// Sets the URL (default: `http://localhost:4318/v1/traces`). `/v1/traces` is appended to a URL without a path.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> OtlpBuilder {
        self.endpoint = endpoint.into();
        self
    }

    /// Adds a header to each request, in addition to those of earlier calls. A header of the environment replaces one
    /// with the same name.
    ///
    /// # Errors
    ///
    /// When HTTP allows no such name or value.
    pub fn header(mut self, name: &str, value: &str) -> Result<OtlpBuilder, ConfigError> {
        let (name, value) = header("header", name, value)?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// Sets the timeout of a request, from connecting to the end of the response (default: 10 seconds).
    pub fn timeout(mut self, timeout: Duration) -> OtlpBuilder {
        self.timeout = timeout;
        self
    }

    /// Sets the compression of requests (default: gzip).
    pub fn compression(mut self, compression: Compression) -> OtlpBuilder {
        self.compression = compression;
        self
    }

    /// Sets the encoding of requests (default: protobuf).
    pub fn encoding(mut self, encoding: Encoding) -> OtlpBuilder {
        self.encoding = encoding;
        self
    }

    /// Sets the service name for parts of segments that are streamed before the first segment is sent (default:
    /// `unknown_service`). All other spans belong to the service of their segment.
    pub fn service_name(mut self, name: impl Into<String>) -> OtlpBuilder {
        self.service_name = name.into();
        self
    }

    /// Sets the limits of batches and of the queue.
    pub fn batching(mut self, batching: Batching) -> OtlpBuilder {
        self.batching = batching;
        self
    }

    /// Signs each request with the credentials of `config`, and sends to X-Ray in its region: see [`Otlp::aws`]. A
    /// request then has at most 768 KiB of documents.
    ///
    /// # Errors
    ///
    /// When `config` has no region or no credentials provider.
    #[cfg(feature = "aws")]
    pub fn aws(mut self, config: &aws_types::SdkConfig) -> Result<OtlpBuilder, ConfigError> {
        let account = crate::sign::Account::of(config)?;
        self.endpoint = format!("{}/v1/traces", account.endpoint(config));
        self.signer = Some(Box::new(move || Box::new(crate::sign::Signer::new(account.clone()))));
        Ok(self)
    }

    /// Builds the emitter, with the settings of the environment.
    ///
    /// # Errors
    ///
    /// When the endpoint or a variable cannot be used.
    pub fn build(self) -> Result<Otlp, ConfigError> {
        self.build_in(Environment::read(|name| std::env::var(name).ok())?)
    }

    fn build_in(mut self, environment: Environment) -> Result<Otlp, ConfigError> {
        let url = match environment.endpoint {
            Some(url) => url,
            None => endpoint("endpoint", &self.endpoint)?,
        };
        for (name, value) in environment.headers.iter().flatten() {
            self.headers.insert(name, value.clone());
        }
        let timeout = environment.timeout.unwrap_or(self.timeout);
        let target = Target { url, headers: self.headers, timeout };
        let compression = environment.compression.unwrap_or(self.compression);
        let encoding = environment.encoding.unwrap_or(self.encoding);
        let service_name = environment.service_name.unwrap_or(self.service_name);
        let (name, signer, mut batching) = (shown(&target.url), self.signer, self.batching);
        if signer.is_some() {
            batching.bytes = batching.bytes.min(MAX_SIGNED_BYTES);
        }
        let connect = move || -> Box<dyn Protocol> {
            Box::new(Exporter {
                client: Client::new(target.clone(), signer.as_ref().map(|signer| signer())),
                mapper: Mapper::new(&service_name),
                compression,
                encoding,
            })
        };
        Ok(Otlp(Background::new(&name, batching, Box::new(connect))))
    }
}

impl fmt::Debug for OtlpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpBuilder")
            .field("endpoint", &shown(&self.endpoint))
            .field("timeout", &self.timeout)
            .field("batching", &self.batching)
            .finish_non_exhaustive()
    }
}

/// OTLP over HTTP.
struct Exporter {
    client: Client,
    mapper: Mapper,
    compression: Compression,
    encoding: Encoding,
}

impl Protocol for Exporter {
    fn encode(&mut self, batch: &[Document]) -> Encoded {
        let mapped = self.mapper.map(batch.iter().map(Document::json));
        let parts = mapped.spans.into_iter().map(|spans| match spans {
            Ok(0) => Part::Superseded,
            Ok(_) => Part::Included,
            Err(error) => Part::Unreadable(error.to_string()),
        });
        let parts: Vec<_> = parts.collect();
        let is_sent = parts.contains(&Part::Included);
        let body = is_sent.then(|| match self.encoding {
            Encoding::Protobuf => mapped.request.encode_to_vec(),
            Encoding::Json => serde_json::to_vec(&mapped.request).unwrap_or_default(),
        });
        let body = body.map(|body| match self.compression {
            Compression::Gzip => gzip(&body),
            Compression::None => body,
        });
        Encoded { body, parts }
    }

    fn send(&mut self, body: &[u8], _: &[Document]) -> Reply {
        let content_type = match self.encoding {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        match self.client.post(content_type, self.compression == Compression::Gzip, body) {
            Err(why) => Reply::Later { why, after: None },
            Ok(response) if response.is_success() => partial_success(&response),
            Ok(response) => self.client.failure(&response, &RETRIED),
        }
    }
}

/// Returns what a receiver dropped of an accepted request. The status is its verdict, so a response that breaks off is
/// an acceptance.
fn partial_success(response: &Response) -> Reply {
    let Some(body) = response.body() else { return Reply::taken() };
    let partial = match response.is_json() {
        true => serde_json::from_slice(body).ok().and_then(|JsonResponse { partial_success }| partial_success),
        false => ExportResponse::decode(body).ok().and_then(|response| response.partial_success).map(Into::into),
    };
    let Partial { rejected_spans, error_message } = partial.unwrap_or_default();
    Reply::Taken {
        refused: Vec::new(),
        rejected_spans,
        remark: Some(error_message).filter(|message| !message.is_empty()),
    }
}

/// A response in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonResponse {
    #[serde(default)]
    partial_success: Option<Partial>,
}

/// A partial success. In JSON the number may be a string.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    #[serde(deserialize_with = "number")]
    rejected_spans: u64,
    error_message: String,
}

impl From<PartialSuccess> for Partial {
    fn from(partial: PartialSuccess) -> Partial {
        let rejected_spans = partial.rejected_spans.try_into().unwrap_or_default();
        Partial { rejected_spans, error_message: partial.error_message }
    }
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = <&serde_json::value::RawValue>::deserialize(deserializer)?.get();
    number.trim_matches('"').parse().map_err(serde::de::Error::custom)
}
