//! AWS signatures, version 4, and the credentials for them.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_types::SdkConfig;
use tokio::runtime::{Builder, Runtime};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::client::Sign;
use crate::config::ConfigError;

/// The timeout for fetching credentials, some of which come from the network.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long before they expire credentials are renewed.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);

/// Error codes for outdated credentials or signatures.
const OUTDATED: [&str; 6] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "UnrecognizedClientException",
];

/// Error codes that AWS's own clients retry regardless of the status.
const THROTTLED: [&str; 5] =
    ["ThrottledException", "ThrottlingException", "RequestThrottled", "TooManyRequestsException", "RequestTimeout"];

/// The region and credentials of an account.
#[derive(Clone)]
pub(crate) struct Account {
    region: String,
    provider: SharedCredentialsProvider,
}

impl Account {
    pub(crate) fn of(config: &SdkConfig) -> Result<Account, ConfigError> {
        let region = config.region().ok_or(ConfigError::NoRegion)?.as_ref().to_owned();
        let provider = config.credentials_provider().ok_or(ConfigError::NoCredentials)?;
        Ok(Account { region, provider })
    }

    /// Returns the service's URL without a path: the one in `config`, or that of the region.
    pub(crate) fn endpoint(&self, config: &SdkConfig) -> String {
        if let Some(url) = config.endpoint_url() {
            return url.trim_end_matches('/').to_owned();
        }
        let (region, fips) = (&self.region, if config.use_fips() == Some(true) { "-fips" } else { "" });
        let is_dual = config.use_dual_stack() == Some(true);
        let domain = match region.split('-').next() {
            Some("cn") if is_dual => "api.amazonwebservices.com.cn",
            Some("cn") => "amazonaws.com.cn",
            Some("eusc") => "amazonaws.eu",
            _ if is_dual => "api.aws",
            _ => "amazonaws.com",
        };
        format!("https://xray{fips}.{region}.{domain}")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Signs requests to X-Ray, on one thread.
pub(crate) struct Signer {
    account: Account,
    /// Runs the asynchronous provider. Created with the first signature.
    runtime: Option<Runtime>,
    credentials: Option<Credentials>,
}

impl Signer {
    pub(crate) fn new(account: Account) -> Signer {
        Signer { account, runtime: None, credentials: None }
    }

    /// Returns the current credentials, renewed before they expire.
    fn credentials(&mut self, now: SystemTime) -> Result<Credentials, String> {
        let is_fresh = |credentials: &&Credentials| credentials.expiry().is_none_or(|end| now + RENEWAL_MARGIN < end);
        if let Some(credentials) = self.credentials.as_ref().filter(is_fresh) {
            return Ok(credentials.clone());
        }
        match self.fetch() {
            Ok(credentials) => {
                self.credentials = Some(credentials.clone());
                Ok(credentials)
            }
            // The old ones are used until they expire.
            Err(error) => {
                let valid = self.credentials.clone().filter(|old| old.expiry().is_some_and(|end| now < end));
                valid.ok_or(format!("cannot get AWS credentials: {error}"))
            }
        }
    }

    fn fetch(&mut self) -> Result<Credentials, String> {
        let runtime = match &self.runtime {
            Some(runtime) => runtime,
            None => {
                let runtime = Builder::new_current_thread().enable_all().build();
                self.runtime.insert(runtime.map_err(|error| error.to_string())?)
            }
        };
        let provider = self.account.provider.clone();
        let fetched =
            runtime.block_on(async { tokio::time::timeout(CREDENTIALS_TIMEOUT, provider.provide_credentials()).await });
        match fetched {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(error)) => Err(with_source(&error)),
            Err(_) => Err(format!("the provider took more than {} seconds", CREDENTIALS_TIMEOUT.as_secs())),
        }
    }
}

impl Sign for Signer {
    fn sign(&mut self, url: &str, headers: &HeaderMap, body: &[u8]) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let now = SystemTime::now();
        let identity = self.credentials(now)?.into();
        let cannot = |error: &dyn fmt::Display| format!("cannot sign the request: {error}");
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.account.region)
            .name("xray")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| cannot(&error))?
            .into();
        let texts = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let request = SignableRequest::new("POST", url, texts, SignableBody::Bytes(body));
        let request = request.map_err(|error| cannot(&error))?;
        let (instructions, _) = sign(request, &parameters).map_err(|error| cannot(&error))?.into_parts();
        let header = |(name, value): (&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| cannot(&error))?;
            Ok((name, HeaderValue::from_str(value).map_err(|error| cannot(&error))?))
        };
        instructions.headers().map(header).collect()
    }

    fn should_retry(&mut self, code: &str) -> bool {
        let is_outdated = OUTDATED.contains(&code);
        if is_outdated {
            self.credentials = None;
        }
        is_outdated || THROTTLED.contains(&code)
    }
}

/// Formats an error with its source, which has the details.
fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;
    use aws_types::region::Region;

    use super::*;

    /// A provider with a script: for each call, the lifetime of credentials, or an error.
    #[derive(Debug)]
    struct Scripted(Vec<Option<u64>>, Arc<AtomicUsize>);

    impl ProvideCredentials for Scripted {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let call = self.1.fetch_add(1, SeqCst);
            future::ProvideCredentials::ready(match self.0[call.min(self.0.len() - 1)] {
                Some(seconds) => {
                    let end = SystemTime::now() + Duration::from_secs(seconds);
                    Ok(Credentials::new(format!("AKID{call}"), "secret", None, Some(end), "test"))
                }
                None => Err(CredentialsError::not_loaded_no_source()),
            })
        }
    }

    fn config(script: Vec<Option<u64>>) -> (SdkConfig, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let provider = SharedCredentialsProvider::new(Scripted(script, calls.clone()));
        let config = SdkConfig::builder().region(Region::new("eu-west-1")).credentials_provider(provider).build();
        (config, calls)
    }

    #[test]
    fn credentials_are_kept_until_shortly_before_they_expire() {
        let (config, calls) = config(vec![Some(3_600), Some(200), None]);
        let mut signer = Signer::new(Account::of(&config).unwrap());
        let id = |signer: &mut Signer| signer.credentials(SystemTime::now()).map(|all| all.access_key_id().to_owned());
        assert_eq!(id(&mut signer).unwrap(), "AKID0");
        assert_eq!((id(&mut signer).unwrap(), calls.load(SeqCst)), ("AKID0".to_owned(), 1));
        assert!(signer.should_retry("ExpiredToken") && !signer.should_retry("AccessDeniedException"));
        assert_eq!(id(&mut signer).unwrap(), "AKID1");
        assert_eq!(id(&mut signer).unwrap(), "AKID1", "the old ones were not used although fetching failed");
        assert_eq!(calls.load(SeqCst), 3);
        assert!(signer.should_retry("ExpiredToken") && !signer.should_retry("AccessDeniedException"));
        assert!(id(&mut signer).unwrap_err().starts_with("cannot get AWS credentials"));
    }

    #[test]
    fn each_partition_has_its_endpoint() {
        for (region, fips, dual, want) in [
            ("eu-west-1", false, false, "https://xray.eu-west-1.amazonaws.com"),
            ("us-gov-west-1", true, false, "https://xray-fips.us-gov-west-1.amazonaws.com"),
            ("us-east-1", false, true, "https://xray.us-east-1.api.aws"),
            ("cn-north-1", false, false, "https://xray.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", false, false, "https://xray.eusc-de-east-1.amazonaws.eu"),
        ] {
            let (config, _) = config(vec![None]);
            let config = config.into_builder().region(Region::new(region)).use_fips(fips).use_dual_stack(dual).build();
            assert_eq!(Account::of(&config).unwrap().endpoint(&config), want);
        }
        let (config, _) = config(vec![None]);
        let config = config.into_builder().endpoint_url("http://127.0.0.1:5000/").build();
        assert_eq!(Account::of(&config).unwrap().endpoint(&config), "http://127.0.0.1:5000");
    }

    #[test]
    fn a_config_without_region_or_credentials_is_an_error() {
        let (config, _) = config(vec![None]);
        let without = config.clone().into_builder().region(None).build();
        assert_eq!(Account::of(&without).unwrap_err(), ConfigError::NoRegion);
        let mut without = config.into_builder();
        without.set_credentials_provider(None);
        assert_eq!(Account::of(&without.build()).unwrap_err(), ConfigError::NoCredentials);
    }
}
