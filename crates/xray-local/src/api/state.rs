//! What the API edits, kept in the store file: groups, tags and sampling rules. A call that edits waits for the disk.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::{ApiError, groups};
use crate::web::App;

const GROUPS: &str = "groups";
const TAGS: &str = "tags";

/// The key of the sampling rules in the store file.
pub(crate) const RULES: &str = "rules";

/// Writes everything, if there is a store file.
pub(super) fn save(app: &App) -> Result<(), ApiError> {
    {
        // One at a time, so that the last state is written last.
        let _one = app.settings.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let groups: Vec<Value> = app.store.groups().all().iter().map(|group| groups::record(group)).collect();
        let rules = app.sampling(|sampling| sampling.state());
        app.store.save(GROUPS, json!(groups).to_string());
        app.store.save(TAGS, app.settings.tags.json().to_string());
        app.store.save(RULES, rules.to_string());
    }
    app.store.persist().map_err(|failure| {
        let message = format!("changed, but in memory only, because the store file cannot be written: {failure}");
        ApiError { status: 400, kind: "InternalFailure", message }
    })
}

/// Reads groups and tags from the store file, if there is one.
pub(crate) fn restore(app: &App) {
    let saved = |key| app.store.saved(key).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let groups = saved(GROUPS).unwrap_or_default();
    for group in groups.as_array().into_iter().flatten().filter_map(groups::from_record) {
        app.store.groups().put(group, usize::MAX);
    }
    app.settings.tags.restore(&saved(TAGS).unwrap_or_default());
}
