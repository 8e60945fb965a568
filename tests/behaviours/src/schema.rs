//! Validation of documents against the published format.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../segment-schema.json")).expect("the schema is JSON");
    jsonschema::draft202012::new(&schema).expect("the schema is valid")
});

/// Returns the violations of the schema in a document, one line each.
///
/// This needs stack in proportion to the depth of the document.
pub fn violations(document: &Value) -> Vec<String> {
    if SCHEMA.is_valid(document) {
        return Vec::new();
    }
    SCHEMA.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_complete_segment_is_valid() {
        let segment = json!({"name": "shop", "id": "00000000000000aa", "start_time": 1.5, "end_time": 2,
            "trace_id": "1-5759e988-bd862e3fe1be46a994272793"});
        assert!(violations(&segment).is_empty());
    }

    #[test]
    fn violations_have_a_path() {
        let nested = json!({"name": "shop", "id": "00000000000000aa", "start_time": 1.5, "end_time": 2,
            "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
            "subsegments": [{"name": "x", "id": "AA", "start_time": 1.5, "end_time": 2}]});
        let found = violations(&nested);
        assert!(found.iter().any(|line| line.contains("/subsegments/0/id")), "{found:?}");
        assert!(!violations(&json!({})).is_empty());
    }
}
