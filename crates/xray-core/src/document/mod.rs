//! Documents: the JSON that the daemon receives, one in a datagram.

pub(crate) mod json;

use std::fmt;

/// The line before each document: its format, for the daemon.
pub(crate) const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// The longest document, in bytes: what fits into one UDP datagram (65,507 bytes on IPv4) after the header.
/// X-Ray's own limit of 64 KiB lies above it.
pub const MAX_DOCUMENT: usize = 65_507 - HEADER.len();

/// One finished segment or subsegment document, framed for the daemon.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    datagram: Vec<u8>,
}

impl Document {
    /// Takes the header line and the JSON behind it.
    pub(crate) fn from_datagram(datagram: Vec<u8>) -> Document {
        debug_assert!(datagram.starts_with(HEADER));
        Document { datagram }
    }

    /// The datagram's payload: the header line and the JSON.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// The datagram's payload, without a copy.
    pub fn into_datagram(self) -> Vec<u8> {
        self.datagram
    }

    /// The JSON alone.
    pub fn json(&self) -> &str {
        std::str::from_utf8(&self.datagram[HEADER.len()..]).unwrap_or_default()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}
