//! The daemon's framing: a header line of JSON, a newline, one document.

use std::error::Error;
use std::fmt;

use serde_json::Value;

/// Why a datagram was not taken. The sender never learns of it: UDP has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No newline, or nothing after it. A datagram begins with the line `{"format":"json","version":1}`.
    MissingHeader,
    /// The first line is not a header of format `json` and version `1`.
    InvalidHeader,
    /// What follows the header is not one document with a trace id, and in each entity an id, a name and a start time.
    InvalidDocument,
}

/// The document of a datagram: what follows the header, not looked into.
///
/// As lenient and as strict as the daemon: the case of the header's keys and format does not matter, members it does
/// not know neither; the version is the integer 1, not `1.0` or `"1"`.
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
    fn headers_are_judged_as_by_the_daemon() {
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
