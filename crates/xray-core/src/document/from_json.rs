//! Documents from text, which another SDK may have written.

use std::error::Error;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Content, Document, HEADER, MAX_DOCUMENT};

/// The error of [`Document::from_json`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidDocument {
    /// The text is not a single JSON object.
    NotAnObject {
        /// The first error.
        reason: String,
    },
    /// A member that every document has is missing or invalid.
    Member {
        /// `trace_id`, `id`, `name` or `start_time`.
        name: &'static str,
    },
    /// The text has more than [`MAX_DOCUMENT`] bytes.
    TooLarge {
        /// The size of the text.
        bytes: usize,
    },
}

impl fmt::Display for InvalidDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidDocument::NotAnObject { reason } => write!(f, "the document is not a JSON object: {reason}"),
            InvalidDocument::Member { name } => write!(f, "the document has no valid `{name}`"),
            InvalidDocument::TooLarge { bytes } => {
                write!(f, "the document has {bytes} bytes, and at most {MAX_DOCUMENT} are possible")
            }
        }
    }
}

impl Error for InvalidDocument {}

impl Document {
    /// Creates a document from its JSON, such as one that was received from another program.
    ///
    /// ```
    /// use xray_core::document::{Document, InvalidDocument};
    ///
    /// let json = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","name":"shop",
    ///     "start_time":1480615200.01,"end_time":1480615200.09}"#;
    /// assert_eq!(Document::from_json(json)?.json(), json);
    /// assert_eq!(Document::from_json("{}"), Err(InvalidDocument::Member { name: "trace_id" }));
    /// # Ok::<(), InvalidDocument>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a single JSON object of at most [`MAX_DOCUMENT`] bytes, or if its `trace_id`,
    /// `id`, `name` or `start_time` is missing or invalid. Other members are not checked.
    pub fn from_json(json: &str) -> Result<Document, InvalidDocument> {
        if json.len() > MAX_DOCUMENT {
            return Err(InvalidDocument::TooLarge { bytes: json.len() });
        }
        let members: Members =
            serde_json::from_str(json).map_err(|error| InvalidDocument::NotAnObject { reason: error.to_string() })?;
        let member = |name| InvalidDocument::Member { name };
        let text = |text: Option<String>, name| text.ok_or(member(name));
        let trace_id = text(members.trace_id, "trace_id")?.parse().map_err(|_| member("trace_id"))?;
        let id = text(members.id, "id")?.parse().map_err(|_| member("id"))?;
        text(members.name, "name")?;
        members.has_start.then_some(()).ok_or(member("start_time"))?;
        let is_segment = members.kind.as_deref() != Some("subsegment");
        let content = Content { trace_id, id, is_segment, entities: entities(json), bytes: 0 };
        Ok(Document::new([HEADER, json.as_bytes()].concat(), content))
    }
}

/// The members of a document that are checked. The last value of a repeated member counts.
#[derive(Default)]
struct Members {
    trace_id: Option<String>,
    id: Option<String>,
    name: Option<String>,
    kind: Option<String>,
    has_start: bool,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<String>()? {
            let text = match &*key {
                "trace_id" => &mut members.trace_id,
                "id" => &mut members.id,
                "name" => &mut members.name,
                "type" => &mut members.kind,
                "start_time" => {
                    map.next_value::<f64>()?;
                    members.has_start = true;
                    continue;
                }
                _ => {
                    // Without recursion, however deep the value is.
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *text = Some(map.next_value()?);
        }
        Ok(members)
    }
}

/// Counts the entities of a valid document: the elements of `subsegments` in entities, and the document itself. Uses no
/// recursion.
fn entities(json: &str) -> usize {
    #[derive(PartialEq)]
    enum Open {
        Entity,
        Subsegments,
        Other,
    }
    let mut count = 0;
    let mut open: Vec<Open> = Vec::new();
    let (mut is_key, mut bytes) = (false, json.bytes().enumerate());
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let mut end = at;
                while let Some((next, byte)) = bytes.next() {
                    end = next;
                    match byte {
                        b'\\' => _ = bytes.next(),
                        b'"' => break,
                        _ => {}
                    }
                }
                is_key = &json[at..=end] == "\"subsegments\"";
            }
            b'{' => {
                let is_entity = open.last().is_none_or(|outer| *outer == Open::Subsegments);
                count += usize::from(is_entity);
                open.push(if is_entity { Open::Entity } else { Open::Other });
            }
            b'[' => {
                let is_list = is_key && open.last() == Some(&Open::Entity);
                open.push(if is_list { Open::Subsegments } else { Open::Other });
            }
            b'}' | b']' => _ = open.pop(),
            b':' | b' ' | b'\t' | b'\n' | b'\r' => continue,
            _ => {}
        }
        is_key &= byte == b'"';
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        r#""trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","name":"shop","start_time":1"#;

    #[test]
    fn a_document_keeps_its_text_and_knows_its_entities() {
        let deep = format!(r#"{{{HEAD}{}"a":1{}}}"#, r#","subsegments":[{"#.repeat(1_000), "}]".repeat(1_000))
            .replace(r#"[{,"#, r#"[{"#);
        for (json, entities, is_segment) in [
            (format!("{{{HEAD}}}"), 1, true),
            (format!("  {{\"type\":\"subsegment\",{HEAD}}}\n"), 1, false),
            (format!(r#"{{{HEAD},"subsegments" : [{{"a":[{{}}]}}, {{"subsegments":[{{}},{{}}]}}]}}"#), 5, true),
            (format!(r#"{{{HEAD},"metadata":{{"subsegments":[{{}}]}},"subsegments":[]}}"#), 1, true),
            (format!(r#"{{{HEAD},"user":"subsegments","aws":{{"a\"":[{{}}]}}}}"#), 1, true),
            (deep, 1_001, true),
        ] {
            let document = Document::from_json(&json).unwrap();
            assert_eq!((document.json(), document.datagram().len()), (&*json, HEADER.len() + json.len()));
            let content = document.content();
            assert_eq!((content.entities, content.is_segment), (entities, is_segment), "{json}");
            assert_eq!(content.trace_id.to_string(), "1-5759e988-bd862e3fe1be46a994272793");
        }
    }

    #[test]
    fn what_no_emitter_can_send_is_refused() {
        let member = |name| Err(InvalidDocument::Member { name });
        for (json, want) in [
            (HEAD.replace("1-5759e988", "1-5759e98"), member("trace_id")),
            (HEAD.replace("53995c3f42cd8ad8", "0000000000000000"), member("id")),
            (HEAD.replace("\"name\"", "\"label\""), member("name")),
            (HEAD.replace("start_time", "start"), member("start_time")),
        ] {
            assert_eq!(Document::from_json(&format!("{{{json}}}")), want, "{json}");
        }
        for json in ["", "[]", "1", "{", "{}{}", "{\"id\":1}", "{\"start_time\":\"1\"}", "{\"a\":{]}"] {
            let error = Document::from_json(json).unwrap_err();
            assert!(matches!(error, InvalidDocument::NotAnObject { .. }), "{json}: {error}");
        }
        let large = format!("{{{HEAD},\"user\":\"{}\"}}", "u".repeat(MAX_DOCUMENT));
        assert_eq!(Document::from_json(&large), Err(InvalidDocument::TooLarge { bytes: large.len() }));
    }
}
