//! The union of all documents, however the entities were distributed among them.

use std::collections::HashMap;

use xray_core::document::{Document, MAX_DOCUMENT};
use xray_core::serde::Deserialize;
use xray_core::serde_json::{Deserializer, Value};

/// The final version of an entity.
#[derive(Debug)]
pub(crate) struct Final {
    pub(crate) parent: Option<String>,
    pub(crate) json: Value,
}

/// Returns all entities by id. Checks that every document is within the limit and names its first entity as the daemon
/// expects, and that every closed entity was sent exactly once in its final version.
pub(crate) fn union(documents: &[Document]) -> HashMap<String, Final> {
    let (mut finals, mut open) = (HashMap::new(), HashMap::new());
    for document in documents {
        let text = document.json();
        assert!(text.len() <= MAX_DOCUMENT, "{} bytes", text.len());
        assert!(text.starts_with(r#"{"name":"#), "{text:.80}");
        let mut reader = Deserializer::from_str(text);
        reader.disable_recursion_limit();
        let value = Value::deserialize(&mut reader).expect("a document is JSON");
        assert!(value["trace_id"].is_string(), "{text:.200}");
        let mut work = vec![(value, None)];
        while let Some((mut json, above)) = work.pop() {
            let id = json["id"].as_str().expect("an entity has an id").to_owned();
            let below = json.as_object_mut().and_then(|members| members.remove("subsegments"));
            if let Some(Value::Array(below)) = below {
                assert!(!below.is_empty(), "{id} lists no subsegments");
                work.extend(below.into_iter().map(|child| (child, Some(id.clone()))));
            }
            let alone = || (json["type"] == "subsegment").then(|| json["parent_id"].as_str().map(str::to_owned))?;
            let parent = above.or_else(alone);
            let is_final = json.get("end_time").is_some();
            assert_ne!(is_final, json["in_progress"] == true, "{json}");
            let earlier = if is_final { &mut finals } else { &mut open }.insert(id, Final { parent, json });
            assert!(earlier.is_none() || !is_final, "sent twice: {earlier:?}");
        }
    }
    finals
}
