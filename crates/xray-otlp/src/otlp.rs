//! The emitter for OTLP receivers.

use std::fmt;
use std::time::Duration;

use prost::Message;
use serde::Deserialize;
use ureq::http::HeaderMap;
use xray_core::document::Document;

use crate::background::{Background, Encoded, Inclusion, Protocol, Reply, delegate_emitter};
use crate::batching::Batching;
use crate::client::{Client, Response, Sign, Target, display_url, gzip};
use crate::config::{Compression, ConfigError, Encoding, Environment, endpoint, header};
use crate::proto::{ExportResponse, PartialSuccess};
use crate::spans::Mapper;

/// The default endpoint of OpenTelemetry's specification.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318/v1/traces";

/// The default timeout of OpenTelemetry's specification.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default service name of OpenTelemetry's specification.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The maximum size of the documents in a request to X-Ray, which accepts 5 MB and 10,000 spans. An entity has at least
/// about 100 bytes, and its span is less than three times as large.
const MAX_SIGNED_BYTES: usize = 768 << 10;

/// The statuses that the specification calls retryable.
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// Creates a signer for each sending thread.
type NewSigner = Box<dyn Fn() -> Box<dyn Sign> + Send + Sync>;

/// Sends documents as OpenTelemetry spans, by OTLP over HTTP, to a collector, the CloudWatch agent or any other
/// receiver.
///
/// It starts no thread and opens no connection before the first document.
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
/// The builder has further options, such as headers that a hosted receiver demands. [`Recorder::flush`] waits until
/// the receiver has accepted or rejected everything, and [`Stats`] counts both:
///
/// ```no_run
/// use std::time::Duration;
/// use xray_core::Recorder;
/// use xray_otlp::{Encoding, Otlp};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let otlp = Otlp::builder()
///     .endpoint("http://otlp.example.com")
///     .header("authorization", "Bearer abc")?
///     .encoding(Encoding::Json)
///     .build()?;
/// let recorder = Recorder::builder().emitter(otlp).build()?;
/// recorder.begin("nightly-report").close();
/// recorder.flush(Duration::from_secs(10));
/// let stats = recorder.stats();
/// println!("{} documents accepted, {} rejected", stats.emitted, stats.dropped_rejected);
/// # Ok(())
/// # }
/// ```
///
/// [`Recorder::flush`]: xray_core::Recorder::flush
/// [`Stats`]: xray_core::stats::Stats
///
/// # Environment
///
/// The emitter reads these variables when it is built; they override code. Each has a form for traces that overrides
/// it, such as `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
///
/// | Variable | Effect |
/// |---|---|
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | the base URL, to which `/v1/traces` is appended; the form for traces is used unchanged |
/// | `OTEL_EXPORTER_OTLP_HEADERS` | additional headers: comma-separated `name=value` pairs with percent-encoded values |
/// | `OTEL_EXPORTER_OTLP_TIMEOUT` | the timeout of a request in milliseconds (default: 10,000) |
/// | `OTEL_EXPORTER_OTLP_COMPRESSION` | `gzip` (default) or `none` |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` (default) or `http/json` |
/// | `OTEL_SERVICE_NAME`, `AWS_XRAY_TRACING_NAME` | the service of streamed subsegments whose segment is not known yet |
pub struct Otlp(Background);

impl Otlp {
    /// Creates an emitter that sends to `endpoint`, unless the environment sets another. `/v1/traces` is appended to a
    /// URL without a path.
    ///
    /// # Errors
    ///
    /// Returns an error if the endpoint or a variable is invalid.
    pub fn new(endpoint: impl Into<String>) -> Result<Otlp, ConfigError> {
        Otlp::builder().endpoint(endpoint).build()
    }

    /// Creates an emitter that sends to the endpoint of the environment (default: `http://localhost:4318/v1/traces`).
    ///
    /// # Errors
    ///
    /// Returns an error if a variable is invalid.
    pub fn from_env() -> Result<Otlp, ConfigError> {
        Otlp::builder().build()
    }

    /// Returns a builder with all options.
    pub fn builder() -> OtlpBuilder {
        OtlpBuilder::new()
    }

    /// Creates an emitter that sends signed requests directly to X-Ray, in the region and with the credentials of
    /// `config`, which `aws_config` loads. The account needs
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
    /// Returns an error if `config` has no region or no credentials provider, or if a variable is invalid.
    #[cfg(feature = "aws")]
    pub fn aws(config: &aws_types::SdkConfig) -> Result<Otlp, ConfigError> {
        Otlp::builder().aws(config)?.build()
    }
}

delegate_emitter!(Otlp);

/// Options of an [`Otlp`] emitter. The [environment](Otlp#environment) overrides them.
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
    environment: Option<Result<Environment, ConfigError>>,
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
            environment: None,
        }
    }

    /// Sets the URL (default: `http://localhost:4318/v1/traces`). `/v1/traces` is appended to a URL without a path.
    ///
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` overrides it. Calling this again replaces the URL.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> OtlpBuilder {
        self.endpoint = endpoint.into();
        self
    }

    /// Adds a header to each request (default: none). Calling this again adds another header, also under the same name.
    /// Headers of `OTEL_EXPORTER_OTLP_HEADERS` replace those with the same name.
    ///
    /// # Errors
    ///
    /// Returns an error if the name or value is not valid in HTTP.
    pub fn header(mut self, name: &str, value: &str) -> Result<OtlpBuilder, ConfigError> {
        let (name, value) = header("header", name, value)?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// Sets the timeout of a request, from connecting to the end of the response (default: 10 seconds).
    ///
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds, overrides it. Calling this again replaces the timeout.
    pub fn timeout(mut self, timeout: Duration) -> OtlpBuilder {
        self.timeout = timeout;
        self
    }

    /// Sets the compression of requests (default: gzip).
    ///
    /// `OTEL_EXPORTER_OTLP_COMPRESSION` overrides it. Calling this again replaces the compression.
    pub fn compression(mut self, compression: Compression) -> OtlpBuilder {
        self.compression = compression;
        self
    }

    /// Sets the encoding of requests (default: protobuf).
    ///
    /// `OTEL_EXPORTER_OTLP_PROTOCOL` overrides it. Calling this again replaces the encoding.
    pub fn encoding(mut self, encoding: Encoding) -> OtlpBuilder {
        self.encoding = encoding;
        self
    }

    /// Sets the service name for subsegments that are streamed before the first segment is sent (default:
    /// `unknown_service`). All other spans belong to the service of their segment.
    ///
    /// `OTEL_SERVICE_NAME` overrides it, or else `AWS_XRAY_TRACING_NAME`. Calling this again replaces the name.
    pub fn service_name(mut self, name: impl Into<String>) -> OtlpBuilder {
        self.service_name = name.into();
        self
    }

    /// Sets the limits of batches and of the queue (default: [`Batching::default`]). Calling this again replaces all of
    /// them.
    pub fn batching(mut self, batching: Batching) -> OtlpBuilder {
        self.batching = batching;
        self
    }

    /// Reads the variables of the [environment](Otlp#environment) with `lookup` (default: from the process).
    ///
    /// For programs that have options of their own, and for tests. `lookup` is called now. Calling this again replaces
    /// all variables.
    ///
    /// ```
    /// use xray_otlp::Otlp;
    ///
    /// // What the user has typed, whatever OTEL_EXPORTER_OTLP_ENDPOINT is.
    /// let otlp = Otlp::builder().endpoint("http://collector:4318").environment(|_| None).build()?;
    /// let invalid = |name: &str| (name == "OTEL_EXPORTER_OTLP_TIMEOUT").then(|| "soon".to_owned());
    /// assert!(Otlp::builder().environment(invalid).build().is_err());
    /// # let _ = otlp;
    /// # Ok::<(), xray_otlp::ConfigError>(())
    /// ```
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String>) -> OtlpBuilder {
        self.environment = Some(Environment::read(lookup));
        self
    }

    /// Signs each request with the credentials of `config`, and sends to X-Ray in its region (default: requests are not
    /// signed). See [`Otlp::aws`]. A request then has at most 768 KiB of documents.
    ///
    /// This also sets the [`endpoint`](OtlpBuilder::endpoint), so call that afterwards to set another. Calling this
    /// again replaces the account.
    ///
    /// # Errors
    ///
    /// Returns an error if `config` has no region or no credentials provider.
    #[cfg(feature = "aws")]
    pub fn aws(mut self, config: &aws_types::SdkConfig) -> Result<OtlpBuilder, ConfigError> {
        let account = crate::sign::Account::of(config)?;
        self.endpoint = format!("{}/v1/traces", account.endpoint(config));
        self.signer = Some(Box::new(move || Box::new(crate::sign::Signer::new(account.clone()))));
        Ok(self)
    }

    /// Reads the environment and builds the emitter.
    ///
    /// # Errors
    ///
    /// Returns an error if the endpoint or a variable is invalid.
    pub fn build(mut self) -> Result<Otlp, ConfigError> {
        let environment = match self.environment.take() {
            Some(environment) => environment?,
            None => Environment::read(|name| std::env::var(name).ok())?,
        };
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
        let (name, signer, mut batching) = (display_url(&target.url), self.signer, self.batching);
        if signer.is_some() {
            batching.bytes = batching.bytes.min(MAX_SIGNED_BYTES);
        }
        let connect = move || -> Box<dyn Protocol> {
            Box::new(OtlpProtocol {
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
            .field("endpoint", &display_url(&self.endpoint))
            .field("timeout", &self.timeout)
            .field("batching", &self.batching)
            .finish_non_exhaustive()
    }
}

/// OTLP over HTTP.
struct OtlpProtocol {
    client: Client,
    mapper: Mapper,
    compression: Compression,
    encoding: Encoding,
}

impl Protocol for OtlpProtocol {
    fn encode(&mut self, batch: &[Document]) -> Encoded {
        let mapped = self.mapper.map(batch.iter().map(Document::json));
        let inclusions = mapped.spans.into_iter().map(|spans| match spans {
            Ok(0) => Inclusion::Superseded,
            Ok(_) => Inclusion::Included,
            Err(error) => Inclusion::Unreadable(error.to_string()),
        });
        let inclusions: Vec<_> = inclusions.collect();
        let has_spans = inclusions.contains(&Inclusion::Included);
        let body = has_spans.then(|| match self.encoding {
            Encoding::Protobuf => mapped.request.encode_to_vec(),
            Encoding::Json => serde_json::to_vec(&mapped.request).unwrap_or_default(),
        });
        let body = body.map(|body| match self.compression {
            Compression::Gzip => gzip(&body),
            Compression::None => body,
        });
        Encoded { body, inclusions }
    }

    fn send(&mut self, body: &[u8], _: &[Document]) -> Reply {
        let content_type = match self.encoding {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        match self.client.post(content_type, self.compression == Compression::Gzip, body) {
            Err(why) => Reply::Retry { why, after: None },
            Ok(response) if response.is_success() => partial_success(&response),
            Ok(response) => self.client.failure(&response, &RETRYABLE),
        }
    }
}

/// Returns the number of spans that a receiver rejected from an accepted request. The status alone decides whether the
/// request was accepted, so a truncated body does not matter.
fn partial_success(response: &Response) -> Reply {
    let Some(body) = response.body() else { return Reply::accepted() };
    let partial = match response.is_json() {
        true => serde_json::from_slice(body).ok().and_then(|JsonResponse { partial_success }| partial_success),
        false => ExportResponse::decode(body).ok().and_then(|response| response.partial_success).map(Into::into),
    };
    let Partial { rejected_spans, error_message } = partial.unwrap_or_default();
    Reply::Accepted {
        rejected: Vec::new(),
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
