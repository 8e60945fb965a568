//! Settings from code and from the environment.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::client::display_url;

/// An unusable setting in code or in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting does not accept its value.
    Invalid {
        /// The environment variable, or the method of the builder.
        setting: String,
        /// The value. For a header, whose value may be secret, its name.
        value: String,
        /// The accepted values.
        expected: &'static str,
    },
    /// The endpoint is an `https` URL, and the feature `tls` is off.
    NoTls {
        /// The URL without query and user information.
        endpoint: String,
    },
    /// The `SdkConfig` has no region.
    NoRegion,
    /// The `SdkConfig` has no credentials provider.
    NoCredentials,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Invalid { setting, value, expected } => {
                write!(f, "invalid {setting} `{value}`: expected {expected}")
            }
            ConfigError::NoTls { endpoint } => {
                write!(f, "cannot send to {endpoint}: enable the feature `tls` of xray-otlp, or use http")
            }
            ConfigError::NoRegion => f.write_str("the SdkConfig has no region: set AWS_REGION, or a region in code"),
            ConfigError::NoCredentials => {
                f.write_str("the SdkConfig has no credentials provider: load it with aws_config, or set one in code")
            }
        }
    }
}

impl Error for ConfigError {}

impl ConfigError {
    pub(crate) fn invalid(setting: &str, value: &str, expected: &'static str) -> ConfigError {
        ConfigError::Invalid { setting: setting.to_owned(), value: value.to_owned(), expected }
    }
}

/// The compression of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// gzip, which costs a few microseconds per document.
    #[default]
    Gzip,
    /// No compression.
    None,
}

impl FromStr for Compression {
    type Err = ();

    fn from_str(text: &str) -> Result<Compression, ()> {
        match text {
            "gzip" => Ok(Compression::Gzip),
            "none" => Ok(Compression::None),
            _ => Err(()),
        }
    }
}

/// The encoding of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Protobuf, which every OTLP receiver accepts.
    #[default]
    Protobuf,
    /// JSON, which is readable and twice as large.
    Json,
}

impl FromStr for Encoding {
    type Err = ();

    fn from_str(text: &str) -> Result<Encoding, ()> {
        match text {
            "http/protobuf" => Ok(Encoding::Protobuf),
            "http/json" => Ok(Encoding::Json),
            _ => Err(()),
        }
    }
}

/// The settings of the environment, which override code. A variable for traces overrides the one for all signals.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) endpoint: Option<String>,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) service_name: Option<String>,
}

impl Environment {
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Environment, ConfigError> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        // The name and value of the variable in effect.
        let setting = |name: &str| {
            ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].into_iter().find_map(|prefix| {
                let name = format!("{prefix}{name}");
                variable(&name).map(|value| (name, value.trim().to_owned()))
            })
        };
        let endpoint = match setting("ENDPOINT") {
            // The variable for all signals is a base URL.
            Some((name, value)) if !name.contains("_TRACES_") => {
                Some(endpoint(&name, &format!("{}/v1/traces", value.trim_end_matches('/')))?)
            }
            Some((name, value)) => Some(endpoint(&name, &value)?),
            None => None,
        };
        let headers = setting("HEADERS").map(|(name, value)| headers(&name, &value)).transpose()?;
        let timeout = match setting("TIMEOUT") {
            None => None,
            Some((name, value)) => match value.parse() {
                Ok(milliseconds) if milliseconds > 0 => Some(Duration::from_millis(milliseconds)),
                _ => return Err(ConfigError::invalid(&name, &value, "milliseconds, at least 1")),
            },
        };
        let compression = parsed(setting("COMPRESSION"), "`gzip` or `none`")?;
        let encoding = parsed(setting("PROTOCOL"), "`http/protobuf` or `http/json`; there is no gRPC")?;
        let service_name = variable("OTEL_SERVICE_NAME").or_else(|| variable("AWS_XRAY_TRACING_NAME"));
        Ok(Environment { endpoint, headers, timeout, compression, encoding, service_name })
    }
}

fn parsed<T: FromStr>(setting: Option<(String, String)>, expected: &'static str) -> Result<Option<T>, ConfigError> {
    setting.map(|(name, value)| value.parse().map_err(|_| ConfigError::invalid(&name, &value, expected))).transpose()
}

/// Checks an endpoint, and appends `/v1/traces` if it has no path.
pub(crate) fn endpoint(setting: &str, text: &str) -> Result<String, ConfigError> {
    let text = endpoint_of(setting, text)?;
    let (_, rest) = text.split_once("://").unwrap_or_default();
    Ok(match rest.split_once(['/', '?']) {
        None | Some((_, "")) => format!("{}/v1/traces", text.trim_end_matches('/')),
        Some(_) => text,
    })
}

/// Checks that a client can send to a URL.
pub(crate) fn endpoint_of(setting: &str, text: &str) -> Result<String, ConfigError> {
    const EXPECTED: &str = "an http or https URL, such as http://127.0.0.1:4318/v1/traces";
    let text = text.trim();
    let invalid = || ConfigError::invalid(setting, &display_url(text), EXPECTED);
    let url: Uri = text.parse().map_err(|_| invalid())?;
    if url.host().is_none_or(str::is_empty) {
        return Err(invalid());
    }
    match url.scheme_str() {
        Some("http") => Ok(text.to_owned()),
        Some("https") if cfg!(feature = "tls") => Ok(text.to_owned()),
        Some("https") => Err(ConfigError::NoTls { endpoint: display_url(text) }),
        _ => Err(invalid()),
    }
}

/// Checks a header.
pub(crate) fn header(setting: &str, name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let invalid = || ConfigError::invalid(setting, name, "the name and value of a header");
    let mut value = HeaderValue::from_str(value).map_err(|_| invalid())?;
    value.set_sensitive(true);
    Ok((HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?, value))
}

/// Parses `name=value,other=value`, with percent-encoded values.
fn headers(setting: &str, text: &str) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            // The whole value may be secret.
            return Err(ConfigError::invalid(setting, "..", "comma-separated `name=value` pairs"));
        };
        let name = name.trim();
        let (name, value) = header(setting, name, &percent_decoded(value.trim()))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let digit = |index: usize| tail.get(index).and_then(|digit| char::from(*digit).to_digit(16));
        match (*first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, ConfigError> {
        Environment::read(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_for_traces_override_those_for_all_signals() {
        let all = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/base/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1, b=x%3Dy%2Cz ,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ];
        let environment = read(&all).unwrap();
        assert_eq!(environment.endpoint.as_deref(), Some("http://all:4318/base/v1/traces"));
        let headers = environment.headers.unwrap();
        assert_eq!((headers["a"].to_str().unwrap(), headers["b"].to_str().unwrap()), ("1", "x=y,z"));
        assert_eq!(environment.timeout, Some(Duration::from_millis(1_500)));
        assert_eq!(environment.compression, Some(Compression::None));
        assert_eq!(environment.encoding, Some(Encoding::Json));

        let mut traces = all.to_vec();
        traces.push(("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/x"));
        traces.push(("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"));
        traces.push(("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", " "));
        let environment = read(&traces).unwrap();
        assert_eq!(environment.endpoint.as_deref(), Some("http://traces:4318/x"));
        assert_eq!(environment.compression, Some(Compression::Gzip));
        assert_eq!(environment.timeout, Some(Duration::from_millis(1_500)), "a blank variable counts as unset");
    }

    #[test]
    fn an_invalid_variable_is_an_error_that_names_it() {
        for (variable, value, want) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "invalid OTEL_EXPORTER_OTLP_ENDPOINT `collector"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://a", "invalid OTEL_EXPORTER_OTLP_TRACES_ENDPOINT `ftp"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "invalid OTEL_EXPORTER_OTLP_TIMEOUT `10s`: expected milli"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "invalid OTEL_EXPORTER_OTLP_TIMEOUT `0`"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "invalid OTEL_EXPORTER_OTLP_COMPRESSION `zstd`"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "invalid OTEL_EXPORTER_OTLP_PROTOCOL `grpc`"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "invalid OTEL_EXPORTER_OTLP_HEADERS `..`"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "invalid OTEL_EXPORTER_OTLP_HEADERS `a b`"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err().to_string();
            assert!(error.starts_with(want) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_endpoint_without_a_path_gets_the_path_for_traces() {
        for (text, want) in [
            ("http://127.0.0.1:4318", Some("http://127.0.0.1:4318/v1/traces")),
            (" http://127.0.0.1:4318/ ", Some("http://127.0.0.1:4318/v1/traces")),
            ("http://h/otlp", Some("http://h/otlp")),
            ("http://h/?key=1", Some("http://h/?key=1")),
            ("h:4318", None),
            ("", None),
            ("http://", None),
            ("/v1/traces", None),
        ] {
            assert_eq!(endpoint("endpoint", text).ok().as_deref(), want, "{text}");
        }
        assert_eq!(endpoint("endpoint", "https://h/x").is_ok(), cfg!(feature = "tls"));
    }
}
