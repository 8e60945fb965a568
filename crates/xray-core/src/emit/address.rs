//! The daemon's address, in the syntax of `AWS_XRAY_DAEMON_ADDRESS`.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The daemon's default port, for documents and for its proxy.
const DEFAULT_PORT: u16 = 2000;

/// The address of the X-Ray daemon: the UDP endpoint for documents, and the TCP endpoint for calls to the X-Ray API.
///
/// It parses from the two forms of `AWS_XRAY_DAEMON_ADDRESS`: one `host:port` for both, or a pair
/// `udp:host:port tcp:host:port` in either order, separated by blanks or commas. A host is an IPv4 address, an IPv6
/// address in brackets, or a name. Names are resolved again every minute, and at once if no daemon listens at the last
/// known address. The default is `127.0.0.1:2000`.
///
/// ```
/// use xray_core::emit::DaemonAddress;
///
/// let both: DaemonAddress = "xray-daemon.internal:2000".parse()?;
/// assert_eq!(both.udp(), both.tcp());
///
/// let pair: DaemonAddress = "tcp:[::1]:2000, udp:127.0.0.1:2001".parse()?;
/// assert_eq!(pair.udp().to_string(), "127.0.0.1:2001");
/// assert_eq!(pair.tcp().host(), "::1");
/// # Ok::<(), xray_core::emit::ParseAddressError>(())
/// ```
///
/// A `SocketAddr` converts into it as well. The environment variable overrides an address in code:
///
/// ```
/// use std::net::SocketAddr;
/// use xray_core::Recorder;
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// let sidecar = SocketAddr::from(([10, 0, 0, 7], 2000));
/// let recorder = Recorder::builder().daemon(sidecar.into()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DaemonAddress {
    udp: Endpoint,
    tcp: Endpoint,
}

impl DaemonAddress {
    /// Returns the endpoint to which documents are sent.
    pub fn udp(&self) -> &Endpoint {
        &self.udp
    }

    /// Returns the endpoint from which sampling rules are fetched.
    pub fn tcp(&self) -> &Endpoint {
        &self.tcp
    }
}

/// Returns `127.0.0.1:2000`.
impl Default for DaemonAddress {
    fn default() -> DaemonAddress {
        SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)).into()
    }
}

/// Uses one address for both protocols.
impl From<SocketAddr> for DaemonAddress {
    fn from(address: SocketAddr) -> DaemonAddress {
        let endpoint = Endpoint { host: Host::Ip(address.ip(), address.ip().to_string()), port: address.port() };
        DaemonAddress { udp: endpoint.clone(), tcp: endpoint }
    }
}

impl FromStr for DaemonAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<DaemonAddress, ParseAddressError> {
        let text = text.trim();
        if text.starts_with(',') || text.ends_with(',') {
            return Err(ParseAddressError::Separator);
        }
        let mut parts = text.split([' ', ',']).filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Err(ParseAddressError::Empty),
            (Some(single), None, _) => parse_single(single),
            (Some(one), Some(other), None) => parse_pair(one, other),
            (Some(_), Some(_), Some(_)) => Err(ParseAddressError::Parts { found: 3 + parts.count() }),
        }
    }
}

/// Formats the shorter of the two forms, which parses to the same address.
impl fmt::Display for DaemonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.udp == self.tcp { self.udp.fmt(f) } else { write!(f, "udp:{} tcp:{}", self.udp, self.tcp) }
    }
}

/// Parses one `host:port` for both protocols.
fn parse_single(text: &str) -> Result<DaemonAddress, ParseAddressError> {
    // `udp:2000` more likely lacks a host than means a host with the name `udp`.
    match Protocol::of(text) {
        Some((Protocol::Udp, _)) => Err(ParseAddressError::Unpaired { missing: "tcp" }),
        Some((Protocol::Tcp, _)) => Err(ParseAddressError::Unpaired { missing: "udp" }),
        None => text.parse().map(|endpoint: Endpoint| DaemonAddress { udp: endpoint.clone(), tcp: endpoint }),
    }
}

/// Parses one `udp:host:port` and one `tcp:host:port`, in either order.
fn parse_pair(one: &str, other: &str) -> Result<DaemonAddress, ParseAddressError> {
    let protocol = |part| Protocol::of(part).ok_or_else(|| ParseAddressError::Protocol { part: part.to_owned() });
    let (udp, tcp) = match (protocol(one)?, protocol(other)?) {
        ((Protocol::Udp, udp), (Protocol::Tcp, tcp)) | ((Protocol::Tcp, tcp), (Protocol::Udp, udp)) => (udp, tcp),
        ((Protocol::Udp, _), (Protocol::Udp, _)) => return Err(ParseAddressError::Unpaired { missing: "tcp" }),
        ((Protocol::Tcp, _), (Protocol::Tcp, _)) => return Err(ParseAddressError::Unpaired { missing: "udp" }),
    };
    Ok(DaemonAddress { udp: udp.parse()?, tcp: tcp.parse()? })
}

enum Protocol {
    Udp,
    Tcp,
}

impl Protocol {
    /// Returns the protocol at the start of a part, ignoring case, and the rest of the part.
    fn of(part: &str) -> Option<(Protocol, &str)> {
        let (name, rest) = part.split_once(':')?;
        match () {
            () if name.eq_ignore_ascii_case("udp") => Some((Protocol::Udp, rest)),
            () if name.eq_ignore_ascii_case("tcp") => Some((Protocol::Tcp, rest)),
            () => None,
        }
    }
}

/// A host and a port. It formats as `host:port`, with an IPv6 address in brackets.
///
/// ```
/// use xray_core::emit::Endpoint;
///
/// let endpoint: Endpoint = "[::1]:2000".parse()?;
/// assert_eq!((endpoint.host(), endpoint.port()), ("::1", 2000));
/// assert_eq!(endpoint.to_string(), "[::1]:2000");
/// # Ok::<(), xray_core::emit::ParseAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    /// With its text, for [`Endpoint::host`].
    Ip(IpAddr, String),
    Name(String),
}

impl Endpoint {
    /// Returns the name or the IP address, without brackets.
    pub fn host(&self) -> &str {
        match &self.host {
            Host::Ip(_, text) | Host::Name(text) => text,
        }
    }

    /// Returns the port, from 1 to 65535. With `From<SocketAddr>` it may be 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address if the host is an IP address. A name must be resolved.
    pub(crate) fn socket_address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip, _) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl FromStr for Endpoint {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Endpoint, ParseAddressError> {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        // `parse` alone would accept `+2000`.
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if digits && port > 0 => Ok(Endpoint { host: parse_host(host)?, port }),
            _ => Err(ParseAddressError::Port { part: text.to_owned() }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(_), text) => write!(f, "[{text}]:{}", self.port),
            Host::Ip(IpAddr::V4(_), text) | Host::Name(text) => write!(f, "{text}:{}", self.port),
        }
    }
}

fn parse_host(text: &str) -> Result<Host, ParseAddressError> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let ip = match bracketed {
        Some(v6) => v6.parse().ok().map(|ip: Ipv6Addr| IpAddr::V6(ip)),
        None => text.parse().ok().map(|ip: Ipv4Addr| IpAddr::V4(ip)),
    };
    match ip {
        Some(ip) => Ok(Host::Ip(ip, ip.to_string())),
        None if is_name(text) => Ok(Host::Name(text.to_owned())),
        None => Err(ParseAddressError::Host { host: text.to_owned() }),
    }
}

/// Whether the text is a host name: a DNS name that may contain underscores, which container networks use.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// Why a text is not a valid [`DaemonAddress`].
///
/// An invalid `AWS_XRAY_DAEMON_ADDRESS` is logged with this text, and the address from code or the default is used.
///
/// ```
/// use xray_core::emit::DaemonAddress;
///
/// let error = "127.0.0.1".parse::<DaemonAddress>().unwrap_err();
/// assert_eq!(error.to_string(), "\"127.0.0.1\" does not end with a port from 1 to 65535");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseAddressError {
    /// The text is empty or blank.
    Empty,
    /// There are more than two parts. Give one `host:port`, or one `udp:` and one `tcp:`.
    Parts {
        /// The number of parts.
        found: usize,
    },
    /// The text starts or ends with a comma.
    Separator,
    /// One of two parts starts neither with `udp:` nor with `tcp:`.
    Protocol {
        /// The part.
        part: String,
    },
    /// Only one of `udp:` and `tcp:` is given. Add the other, or remove the prefix to use the address for both.
    Unpaired {
        /// The protocol to add.
        missing: &'static str,
    },
    /// The host is missing, or is neither a name, nor an IPv4 address, nor an IPv6 address in brackets.
    Host {
        /// The host.
        host: String,
    },
    /// The port is missing, or not a number from 1 to 65535.
    Port {
        /// The part that lacks a valid port.
        part: String,
    },
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the daemon address is empty"),
            Self::Parts { found } => write!(f, "a daemon address has one or two parts, not {found}"),
            Self::Separator => f.write_str("a daemon address must not start or end with a comma"),
            Self::Protocol { part } => write!(f, "{part:?} starts neither with `udp:` nor with `tcp:`"),
            Self::Unpaired { missing } => write!(f, "`{missing}:host:port` is missing from the daemon address"),
            Self::Host { host } => {
                write!(f, "{host:?} is neither a host name, nor an IPv4 address, nor an IPv6 address in brackets")
            }
            Self::Port { part } => write!(f, "{part:?} does not end with a port from 1 to 65535"),
        }
    }
}

impl Error for ParseAddressError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the UDP and TCP endpoints as text.
    fn parse(text: &str) -> Result<(String, String), ParseAddressError> {
        text.parse().map(|address: DaemonAddress| (address.udp().to_string(), address.tcp().to_string()))
    }

    #[test]
    fn one_address_is_used_for_both() {
        for (text, want) in [
            ("127.0.0.1:2000", "127.0.0.1:2000"),
            ("192.168.0.23:8080", "192.168.0.23:8080"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("127.0.0.1:65535", "127.0.0.1:65535"),
            (" 127.0.0.1:2000 ", "127.0.0.1:2000"),
            ("127.0.0.1:2000\n", "127.0.0.1:2000"),
            ("xray-daemon.internal:2000", "xray-daemon.internal:2000"),
            ("xray-udp.internal:2000", "xray-udp.internal:2000"),
            ("udp-tcp:2000", "udp-tcp:2000"),
            ("localhost:2000", "localhost:2000"),
            ("xray_daemon_1:2000", "xray_daemon_1:2000"),
            ("daemon.example.:2000", "daemon.example.:2000"),
            ("[::1]:2000", "[::1]:2000"),
            ("[2001:DB8:0:0::2]:2000", "[2001:db8::2]:2000"),
        ] {
            assert_eq!(parse(text), Ok((want.to_owned(), want.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn a_pair_may_be_in_either_order() {
        for (text, udp, tcp) in [
            ("tcp:127.0.0.1:2000 udp:127.0.0.2:2001", "127.0.0.2:2001", "127.0.0.1:2000"),
            ("udp:127.0.0.2:2001 tcp:127.0.0.1:2000", "127.0.0.2:2001", "127.0.0.1:2000"),
            ("uDP:127.0.0.2:2001 Tcp:127.0.0.1:2000", "127.0.0.2:2001", "127.0.0.1:2000"),
            ("tcp:186.34.0.23:8082, udp:127.0.0.1:3000", "127.0.0.1:3000", "186.34.0.23:8082"),
            ("udp:186.34.0.23:8082, tcp:127.0.0.1:3000", "186.34.0.23:8082", "127.0.0.1:3000"),
            ("udp:186.34.0.23:8082,tcp:127.0.0.1:3000", "186.34.0.23:8082", "127.0.0.1:3000"),
            ("tcp:127.0.0.1:2000  udp:127.0.0.2:2001", "127.0.0.2:2001", "127.0.0.1:2000"),
            ("udp:udp:1 tcp:tcp:2", "udp:1", "tcp:2"),
            ("udp:[::1]:2000 tcp:[::2]:2001", "[::1]:2000", "[::2]:2001"),
            ("udp:xray.local:2000 tcp:[::2]:2001", "xray.local:2000", "[::2]:2001"),
        ] {
            assert_eq!(parse(text), Ok((udp.to_owned(), tcp.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_invalid_part() {
        use ParseAddressError as E;
        let port = |part: &str| E::Port { part: part.to_owned() };
        let host = |host: &str| E::Host { host: host.to_owned() };
        let protocol = |part: &str| E::Protocol { part: part.to_owned() };
        for (text, want) in [
            ("", E::Empty),
            (" \t ", E::Empty),
            (",", E::Separator),
            ("127.0.0.1:2000,", E::Separator),
            ("127.0.0.1", port("127.0.0.1")),
            ("127.0.0.1:", port("127.0.0.1:")),
            ("127.0.0.1:0", port("127.0.0.1:0")),
            ("127.0.0.1:65536", port("127.0.0.1:65536")),
            ("127.0.0.1:20x0", port("127.0.0.1:20x0")),
            ("127.0.0.1:+200", port("127.0.0.1:+200")),
            ("127.0.0.1:-1", port("127.0.0.1:-1")),
            ("[::1]", port("[::1]")),
            ("127.0.0.1:2000:3000", host("127.0.0.1:2000")),
            ("::1:2000", host("::1")),
            (":2000", host("")),
            ("[]:2000", host("[]")),
            ("[::1:2000", host("[::1")),
            ("[127.0.0.1]:2000", host("[127.0.0.1]")),
            ("http://127.0.0.1:2000", host("http://127.0.0.1")),
            ("a..b:2000", host("a..b")),
            ("a\tb:2000", host("a\tb")),
            ("dämon:2000", host("dämon")),
            ("udp:127.0.0.1:2000", E::Unpaired { missing: "tcp" }),
            ("tcp:127.0.0.1:2000", E::Unpaired { missing: "udp" }),
            ("udp:2000", E::Unpaired { missing: "tcp" }),
            ("udp:127.0.0.1:2000 udp:127.0.0.1:2001", E::Unpaired { missing: "tcp" }),
            ("tcp:127.0.0.1:2000 tcp:127.0.0.1:2001", E::Unpaired { missing: "udp" }),
            ("foo:127.0.0.1:2000 bar:127.0.0.1:2001", protocol("foo:127.0.0.1:2000")),
            ("127.0.0.1:2000 udp:127.0.0.1:2001", protocol("127.0.0.1:2000")),
            ("127.0.0.1:2000 127.0.0.1:2001", protocol("127.0.0.1:2000")),
            ("udp:127.0.0.1:x tcp:127.0.0.1:2000", port("127.0.0.1:x")),
            ("udp:127.0.0.1:99999 tcp:127.0.0.1:2000", port("127.0.0.1:99999")),
            ("udp:127.0.0.1 tcp:127.0.0.1:2000", port("127.0.0.1")),
            ("udp::2000 tcp:127.0.0.1:2001", host("")),
            ("udp:a:1 tcp:b:2 udp:c:3 tcp:d:4", E::Parts { found: 4 }),
        ] {
            assert_eq!(parse(text), Err(want), "{text:?}");
        }
    }

    #[test]
    fn the_default_is_that_of_the_daemon() {
        assert_eq!(DaemonAddress::default().to_string(), "127.0.0.1:2000");
        assert_eq!("127.0.0.1:2000".parse(), Ok(DaemonAddress::default()));
    }

    fn endpoints() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            any::<Ipv4Addr>().prop_map(|ip| ip.to_string()),
            any::<Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
            "[a-z][a-z0-9_-]{0,9}(\\.[a-z]{1,5}){0,2}",
        ];
        (host, 1..=u16::MAX).prop_map(|(host, port)| format!("{host}:{port}"))
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_without_a_panic(text in "(udp|tcp|[0-9a-z.:,\\[\\] ]|\\PC){0,40}") {
            let _ = text.parse::<DaemonAddress>();
        }

        #[test]
        fn a_formatted_address_parses_to_the_same_address(udp in endpoints(), tcp in endpoints()) {
            let address: DaemonAddress = format!("tcp:{tcp}, udp:{udp}").parse().unwrap();
            prop_assert_eq!(address.udp().to_string(), udp);
            prop_assert_eq!(address.tcp().to_string(), tcp);
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}
