//! The daemon's framing: a line with a JSON header, then one document.

use std::error::Error;
use std::fmt;

use serde_json::Value;

/// Why a datagram was refused. The sender cannot see this, because UDP has no responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no newline, or nothing follows it. A datagram begins with the line `{"format":"json","version":1}`.
    MissingHeader,
    /// The first line is not a header with format `json` and version `1`.
    InvalidHeader,
    /// The text after the header is not a single document with a trace id, or an entity in it lacks an id, a name or a
    /// start time.
    InvalidDocument,
}

/// The header line that SDKs send.
pub(crate) const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// Returns the document of a datagram, unparsed.
///
/// The header is checked exactly as the daemon does it. The case of its keys and of the format does not matter, and
/// unknown members are ignored. The version must be the integer 1, not `1.0` or `"1"`.
pub(crate) fn document(datagram: &[u8]) -> Result<&[u8], Refusal> {
    let newline = datagram.iter().position(|&byte| byte == b'\n').ok_or(Refusal::MissingHeader)?;
    let (header, document) = (&datagram[..newline], &datagram[newline + 1..]);
    if document.is_empty() {
        return Err(Refusal::MissingHeader);
    }
    let header: Value = serde_json::from_slice(header).map_err(|_| Refusal::InvalidHeader)?;
    let member = |name: &str| {
        let mut members = header.as_object()?.iter();
        members.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let format = member("format").and_then(Value::as_str).is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let version = member("version").and_then(Value::as_u64) == Some(1);
    if format && version { Ok(document) } else { Err(Refusal::InvalidHeader) }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::MissingHeader => "missing header",
            Refusal::InvalidHeader => "invalid header",
            Refusal::InvalidDocument => "invalid document",
        })
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_accepted_and_refused_like_by_the_daemon() {
        for (datagram, want) in [
            ("{\"format\":\"json\",\"version\":1}\n{}", Ok("{}")),
            ("  { \"version\" : 1, \"FORMAT\" : \"JSON\", \"more\" : [] } \r\n{}", Ok("{}")),
            ("{\"format\":\"json\",\"version\":1}\n\n{}\n", Ok("\n{}\n")),
            ("{\"format\":\"json\",\"version\":2}\n{}", Err(Refusal::InvalidHeader)),
            ("{\"format\":\"json\",\"version\":\"1\"}\n{}", Err(Refusal::InvalidHeader)),
            ("{\"format\":\"json\",\"version\":1.0}\n{}", Err(Refusal::InvalidHeader)),
            ("{\"format\":\"xml\",\"version\":1}\n{}", Err(Refusal::InvalidHeader)),
            ("\u{feff}{\"format\":\"json\",\"version\":1}\n{}", Err(Refusal::InvalidHeader)),
            ("null\n{}", Err(Refusal::InvalidHeader)),
            ("\n{}", Err(Refusal::InvalidHeader)),
            ("{\"format\":\"json\",\"version\":1}", Err(Refusal::MissingHeader)),
            ("{\"format\":\"json\",\"version\":1}\n", Err(Refusal::MissingHeader)),
            ("{}", Err(Refusal::MissingHeader)),
        ] {
            assert_eq!(document(datagram.as_bytes()), want.map(str::as_bytes), "{datagram}");
        }
    }
}
