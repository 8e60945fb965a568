//! Ids, parsed on arrival: small to store, fast to compare, and safe to print.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The id of a trace, such as `1-5759e988-bd862e3fe1be46a994272793`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(u128);

/// The id of an entity in its trace: 16 hex digits, such as `53995c3f42cd8ad8`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(u64);

/// The error when a string is not a valid id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseIdError {
    /// Not a trace id, which is `1-`, 8 hex digits, `-`, 24 hex digits.
    Trace,
    /// Not an entity id, which is 16 hex digits.
    Entity,
}

impl TraceId {
    /// Returns the time in it, in seconds since the epoch. Ids of W3C's trace context have a random number there.
    pub(crate) fn seconds(self) -> u64 {
        // Lossless: 32 bits remain.
        (self.0 >> 96) as u64
    }
}

#[cfg(feature = "store")]
impl TraceId {
    /// Returns bytes whose order is the order of the ids, which begin with a time.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> TraceId {
        TraceId(u128::from_be_bytes(bytes))
    }
}

impl FromStr for TraceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parts = text.strip_prefix("1-").and_then(|rest| rest.split_once('-'));
        let id = parts.and_then(|(time, random)| Some((hex(time, 8)? << 96) | hex(random, 24)?));
        id.map(TraceId).ok_or(ParseIdError::Trace)
    }
}

impl FromStr for EntityId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        hex(text, 16).and_then(|id| u64::try_from(id).ok()).map(EntityId).ok_or(ParseIdError::Entity)
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    // `from_str_radix` alone would accept a sign.
    let right = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    right.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1-{:08x}-{:024x}", self.0 >> 96, self.0 & (u128::MAX >> 32))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseIdError::Trace => "invalid trace id: expected `1-`, 8 hex digits, `-`, 24 hex digits",
            ParseIdError::Entity => "invalid entity id: expected 16 hex digits",
        })
    }
}

impl Error for ParseIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_they_were_parsed() {
        for text in ["1-5759e988-bd862e3fe1be46a994272793", "1-00000000-000000000000000000000001"] {
            assert_eq!(text.parse::<TraceId>().unwrap().to_string(), text);
        }
        assert_eq!("000000000000000f".parse::<EntityId>().unwrap().to_string(), "000000000000000f");
    }

    #[test]
    fn invalid_ids_are_refused() {
        for text in
            ["", "1-", "2-5759e988-bd862e3fe1be46a994272793", "1-5759e988-bd862e3fe1be46a99427279", "1-+759e988-"]
        {
            assert_eq!(text.parse::<TraceId>(), Err(ParseIdError::Trace), "{text}");
        }
        for text in ["", "53995c3f42cd8ad", "53995c3f42cd8ad8a", "+3995c3f42cd8ad8", "é3995c3f42cd8ad"] {
            assert_eq!(text.parse::<EntityId>(), Err(ParseIdError::Entity), "{text}");
        }
    }
}
