//! Central sampling without the daemon: signed calls of the sampling API.

use std::fmt;
use std::time::Duration;

use aws_types::SdkConfig;
use ureq::http::HeaderMap;
use xray_core::sampling::central::{CallError, SamplingApi};

use crate::background::Reply;
use crate::client::{Client, Target, display_url};
use crate::config::{ConfigError, endpoint_of};
use crate::sign::{Account, Signer};

/// The timeout of a call, which reports of statistics wait for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns what connects a [`Central`](xray_core::sampling::Central) sampler directly to the X-Ray service, without a
/// daemon.
///
/// An `SdkConfig`, which `aws_config` loads, provides the region, the endpoint and the credentials. The credentials need
/// the permissions `xray:GetSamplingRules` and `xray:GetSamplingTargets`.
///
/// ```no_run
/// use aws_types::SdkConfig;
/// use xray_core::Recorder;
/// use xray_core::sampling::Central;
/// use xray_otlp::{PutTraceSegments, sampling_api};
///
/// # fn f(config: SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
/// // let config = aws_config::load_from_env().await;
/// let recorder = Recorder::builder()
///     .emitter(PutTraceSegments::new(&config)?)
///     .sampling(Central::new().through(sampling_api(&config)?))
///     .build()?;
/// # let _ = recorder;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns an error if `config` has no region or no credentials provider, or if its endpoint is not a URL.
pub fn sampling_api(
    config: &SdkConfig,
) -> Result<impl Fn() -> SignedSamplingApi + Clone + Send + Sync + use<>, ConfigError> {
    let account = Account::of(config)?;
    let url = endpoint_of("endpoint_url", &account.endpoint(config))?;
    let target = Target { url, headers: HeaderMap::new(), timeout: TIMEOUT };
    Ok(move || {
        let signer = Box::new(Signer::new(account.clone()));
        SignedSamplingApi { url: target.url.clone(), client: Client::new(target.clone(), Some(signer)) }
    })
}

/// A client of the X-Ray service, which signs its calls: see [`sampling_api`].
#[derive(Debug)]
pub struct SignedSamplingApi {
    /// The URL of the service, without a path.
    url: String,
    client: Client,
}

impl SamplingApi for SignedSamplingApi {
    fn call(&mut self, operation: &str, body: &str) -> Result<String, CallError> {
        let url = format!("{}/{operation}", self.url);
        let response = self.client.post_to(&url, "application/json", false, body.as_bytes());
        let response = response.map_err(CallError::Unreachable)?;
        if response.is_success() {
            let text = response.body().and_then(|body| String::from_utf8(body.to_vec()).ok());
            return text.ok_or_else(|| CallError::Unreachable("its response could not be read".to_owned()));
        }
        // This discards credentials that have expired. The sampler retries.
        Err(CallError::Refused(match self.client.failure(&response, &[]) {
            Reply::Retry { why, .. } | Reply::Rejected { why } => format!("it responded with status {why}"),
            Reply::Accepted { .. } | Reply::TooLarge => format!("it responded with status {}", response.status),
        }))
    }
}

impl fmt::Display for SignedSamplingApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the X-Ray service at {}", display_url(&self.url))
    }
}
