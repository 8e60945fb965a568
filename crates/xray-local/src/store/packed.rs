//! A document as it is kept: its text, compressed if that pays, with what is known of its arrival.

use std::sync::Arc;

#[cfg(feature = "store")]
use super::codec::{Reader, Writer};
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
    /// The length of the text in bytes. The data is shorter if it is compressed.
    length: u32,
    data: Arc<[u8]>,
}

/// More than the longest text that can arrive: the body of a call has at most 16 MiB.
#[cfg(feature = "store")]
const MAX_LENGTH: usize = 16 << 20;

impl Packed {
    pub(crate) fn new(text: &str, arrived: u64, port: u16) -> Packed {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let data = match compress(text.as_bytes()) {
            Some(data) if data.len() < text.len() => data.into(),
            _ => text.as_bytes().into(),
        };
        Packed { arrived, port, repeated: 0, length, data }
    }

    /// Returns the text. It is empty only if the memory or the file it came from was damaged.
    pub(crate) fn text(&self) -> String {
        let data = if self.data.len() < self.length() {
            decompress(&self.data, self.length as usize)
        } else {
            self.data.to_vec()
        };
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

    /// Encodes it for a store file.
    #[cfg(feature = "store")]
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(self.arrived);
        writer.u16(self.port);
        writer.u32(self.length);
        writer.0.extend_from_slice(&self.data);
        writer.0
    }

    #[cfg(feature = "store")]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Packed> {
        let mut reader = Reader(bytes);
        let (arrived, port, length) = (reader.u64()?, reader.u16()?, reader.u32()?);
        // A damaged length must not become a huge allocation.
        (length as usize <= MAX_LENGTH).then_some(())?;
        Some(Packed { arrived, port, repeated: 0, length, data: reader.0.into() })
    }

    /// Returns its approximate size in bytes.
    pub(crate) fn weight(&self) -> usize {
        // The counters of the shared data, and what the allocator adds.
        size_of::<Packed>() + self.data.len() + 24
    }
}

/// What most documents contain, so that even a short one is compressed well. It is part of the format of store files.
#[cfg(feature = "store")]
const DICTIONARY: &[u8] = br#"
{"format":"json","version":1}"service":{"version":"1.0.0","runtime":"
"aws":{"xray":{"sdk":"X-Ray for Rust","sdk_version":"0.1.0","package":"aws-xray-sdk","rule_name":"sampling_rule_name":"Default"},
"ec2":{"instance_id":"i-0","availability_zone":"eu-west-1a"},"ecs":{"container":"
"origin":"AWS::EC2::Instance","origin":"AWS::ECS::Container","origin":"AWS::Lambda::Function","origin":"AWS::EKS::Container"
"in_progress":true,"error":true,"fault":true,"throttle":true,"cause":{"working_directory":"/","exceptions":[{"id":"
"message":"","type":"Error","remote":false,"truncated":0,"stack":[{"path":"","line":1,"label":"
"metadata":{"default":{"annotations":{"
"sql":{"url":"postgresql://","sanitized_query":"SELECT * FROM WHERE INSERT INTO VALUES UPDATE SET DELETE","database_type":"PostgreSQL"}
"aws":{"operation":"GetItem","region":"us-east-1","request_id":"","table_name":"","queue_url":"","bucket_name":"","retries":0},"
"http":{"request":{"method":"POST","url":"https://","user_agent":"Mozilla/5.0 (","client_ip":"127.0.0.1","x_forwarded_for":true},
"http":{"request":{"method":"GET","url":"http://localhost","traced":true},"response":{"status":200,"content_length":0}},
"type":"subsegment","trace_id":"1-6","parent_id":"","user":"","id":"","name":"","start_time":17,"end_time":17
"},{"id":"","name":"","start_time":179,"end_time":179,"namespace":"remote","
"},{"id":"","name":"DynamoDB","start_time":179,"end_time":179,"namespace":"aws","
"start_time":1795,"end_time":1795,"subsegments":[{"id":"","name":""#;

#[cfg(feature = "store")]
fn compress(text: &[u8]) -> Option<Vec<u8>> {
    Some(lz4_flex::block::compress_with_dict(text, DICTIONARY))
}

#[cfg(feature = "store")]
fn decompress(data: &[u8], length: usize) -> Vec<u8> {
    lz4_flex::block::decompress_with_dict(data, length, DICTIONARY).unwrap_or_default()
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
