//! One datagram: a header, a newline, and a document.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::json;

/// The exact bytes that precede a document in its datagram.
pub const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// A received document. It is cheap to clone, and dropped without recursion.
#[derive(Clone)]
pub struct Document {
    inner: Arc<Inner>,
}

struct Inner {
    bytes: Vec<u8>,
    json: Value,
}

impl Document {
    /// Parses a datagram, more strictly than the daemon: the header must be exactly [`HEADER`], and the rest must be
    /// exactly one JSON object with nothing around it.
    ///
    /// # Errors
    /// Returns the problem with the datagram.
    pub fn parse(datagram: &[u8]) -> Result<Document, Refusal> {
        let refuse = |why: &str| Refusal { why: why.to_owned(), datagram: excerpt(datagram) };
        let bytes = datagram.strip_prefix(HEADER).ok_or_else(|| refuse("missing or invalid header"))?;
        if !(bytes.starts_with(b"{") && bytes.ends_with(b"}")) {
            return Err(refuse("the document is not exactly one JSON object"));
        }
        let json = json::parse(bytes).map_err(|error| refuse(&error.to_string()))?;
        Ok(Document { inner: Arc::new(Inner { bytes: bytes.to_vec(), json }) })
    }

    /// Returns the document as received, without the header.
    pub fn bytes(&self) -> &[u8] {
        &self.inner.bytes
    }

    /// Returns the parsed document.
    pub fn json(&self) -> &Value {
        &self.inner.json
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&excerpt(self.bytes()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        json::dismantle(&mut self.json);
    }
}

/// Why a datagram is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    why: String,
    datagram: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.why, self.datagram)
    }
}

impl std::error::Error for Refusal {}

/// Returns the beginning of a text, for messages.
fn excerpt(bytes: &[u8]) -> String {
    const KEPT: usize = 300;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]).escape_debug().to_string();
    if bytes.len() > KEPT { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_framing_is_refused() {
        let header = r#"{"format":"json","version":1}"#;
        assert_eq!(Document::parse(format!("{header}\n{{\"a\":1}}").as_bytes()).unwrap().bytes(), b"{\"a\":1}");
        for datagram in [
            "".to_owned(),
            "{}".to_owned(),
            header.to_owned(),
            format!("{header}\n"),
            format!("{header}{{}}"),
            format!("{header}\n\n{{}}"),
            format!("{header}\r\n{{}}"),
            format!("{header}\n{{}}\n"),
            format!("{header}\n {{}}"),
            format!("{header}\n[{{}}]"),
            format!("{header}\n{{}}{{}}"),
            format!("{header}\n{{\"a\":}}"),
            "{\"format\": \"json\", \"version\": 1}\n{}".to_owned(),
            "{\"format\":\"json\",\"version\":2}\n{}".to_owned(),
        ] {
            assert!(Document::parse(datagram.as_bytes()).is_err(), "{datagram:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        let datagram = [HEADER, b"{\"a\":\"\xff\"}"].concat();
        assert!(Document::parse(&datagram).is_err());
    }
}
