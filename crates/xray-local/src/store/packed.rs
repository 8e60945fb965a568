//! A document as it is kept: its text, compressed if that pays, with what is known of its arrival.

use std::sync::Arc;

use crate::trace::Document;

/// A document and how it arrived. Clones share the text.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// Milliseconds since the epoch.
    pub(crate) arrived: u64,
    /// The sender's UDP port; 0 if the document did not arrive by UDP.
    pub(crate) port: u16,
    /// How many identical documents arrived after this one.
    pub(crate) repeated: u16,
    compressed: bool,
    /// The length of the text in bytes.
    length: u32,
    data: Arc<[u8]>,
}

impl Packed {
    pub(crate) fn new(text: &str, arrived: u64, port: u16) -> Packed {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let (compressed, data) = match compress(text.as_bytes()) {
            Some(data) if data.len() < text.len() => (true, data.into()),
            _ => (false, text.as_bytes().into()),
        };
        Packed { arrived, port, repeated: 0, compressed, length, data }
    }

    /// Returns the text. It is empty only if the memory or the file it came from was damaged.
    pub(crate) fn text(&self) -> String {
        let data = if self.compressed { decompress(&self.data, self.length as usize) } else { self.data.to_vec() };
        String::from_utf8(data).unwrap_or_default()
    }

    pub(crate) fn parse(&self) -> Option<Document> {
        Document::parse(&self.text())
    }

    /// Returns the length of the text in bytes.
    pub(crate) fn length(&self) -> usize {
        self.length as usize
    }

    /// Whether two documents have the same text.
    pub(crate) fn is_copy_of(&self, other: &Packed) -> bool {
        // Equal texts have equal compressed forms.
        self.length == other.length && self.data == other.data
    }

    /// Returns its approximate size in bytes.
    pub(crate) fn weight(&self) -> usize {
        // The counters of the shared data, and what the allocator adds.
        size_of::<Packed>() + self.data.len() + 24
    }
}

#[cfg(feature = "store")]
fn compress(text: &[u8]) -> Option<Vec<u8>> {
    Some(lz4_flex::block::compress(text))
}

#[cfg(feature = "store")]
fn decompress(data: &[u8], length: usize) -> Vec<u8> {
    lz4_flex::block::decompress(data, length).unwrap_or_default()
}

#[cfg(not(feature = "store"))]
fn compress(_: &[u8]) -> Option<Vec<u8>> {
    None
}

#[cfg(not(feature = "store"))]
fn decompress(data: &[u8], _: usize) -> Vec<u8> {
    data.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_returned_unchanged() {
        for text in [String::new(), "{}".to_owned(), "äé\u{0}".repeat(5), "abc".repeat(20_000)] {
            let packed = Packed::new(&text, 1, 2);
            assert_eq!((packed.text(), packed.length()), (text.clone(), text.len()));
            assert!(packed.weight() < text.len() + 100 && packed.is_copy_of(&Packed::new(&text, 3, 4)));
            assert!(!packed.is_copy_of(&Packed::new(&format!("{text}."), 1, 2)));
        }
    }
}
