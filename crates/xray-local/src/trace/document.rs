//! A document: the JSON text of one datagram, split into its entities.

use std::sync::Arc;

use super::cut::cut;
use super::entity::Entity;
use crate::id::{EntityId, TraceId};

/// The entities of one document: first the segment or the separately sent subsegment, then the embedded ones.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) trace_id: TraceId,
    pub(crate) entities: Vec<Arc<Entity>>,
}

impl Document {
    pub(crate) fn parse(text: &str) -> Option<Document> {
        let mut trace_id = None;
        let mut entities: Vec<Arc<Entity>> = Vec::new();
        for (position, fragment) in cut(text)?.into_iter().enumerate() {
            let enclosing: Option<EntityId> = fragment.parent.map(|parent| entities[parent].id());
            let (own, entity) = Entity::parse(fragment.json, enclosing, u32::try_from(position).ok()?)?;
            if position == 0 {
                trace_id = Some(own?);
            }
            entities.push(Arc::new(entity));
        }
        Some(Document { trace_id: trace_id?, entities })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        r#""trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"00000000000000aa","name":"s","start_time":1"#;

    #[test]
    fn an_embedded_entity_has_the_enclosing_one_as_its_parent() {
        let text = format!(
            r#"{{{HEAD},"subsegments":[{{"id":"00000000000000bb","name":"t","start_time":1,"parent_id":"00000000000000cc"}}]}}"#
        );
        let document = Document::parse(&text).unwrap();
        let parents: Vec<_> =
            document.entities.iter().map(|entity| entity.parent_id().map(|id| id.to_string())).collect();
        assert_eq!(parents, [None, Some("00000000000000aa".to_owned())]);
    }

    #[test]
    fn a_document_with_an_incomplete_entity_is_refused() {
        for text in [
            "{}".to_owned(),
            format!("{{{HEAD}}} {{{HEAD}}}"),
            format!("{{{HEAD},}}"),
            format!(r#"{{{HEAD},"subsegments":[{{}}]}}"#),
            format!(r#"{{{HEAD},"subsegments":[{{"id":"x","name":"t","start_time":1}}]}}"#),
            format!(r#"{{{HEAD},"metadata":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000)),
            HEAD.to_owned(),
            r#"{"id":"00000000000000aa","name":"s","start_time":1}"#.to_owned(),
            r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"00000000000000aa","name":"s","start_time":1e999}"#.to_owned(),
        ] {
            assert!(Document::parse(&text).is_none(), "{text}");
        }
    }
}
