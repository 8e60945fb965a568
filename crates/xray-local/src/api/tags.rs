//! Tags of groups and sampling rules.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::input::{required, texts};
use super::{ApiError, Arguments};
use crate::web::App;

/// A resource has at most this many tags.
const MAX_TAGS: usize = 50;

/// Tags by the ARN of their resource.
#[derive(Debug, Default)]
pub(crate) struct Tags(Mutex<BTreeMap<String, BTreeMap<String, String>>>);

impl Tags {
    /// Adds the `Tags` of a call, if it has any.
    pub(super) fn set(&self, arn: &Value, tags: Option<&Value>) -> Result<(), ApiError> {
        let (Some(arn), Some(tags)) = (arn.as_str(), tags.filter(|tags| !tags.is_null())) else { return Ok(()) };
        let invalid = || ApiError::invalid("`Tags` is not a list of objects with `Key` and `Value`");
        let tags = tags.as_array().ok_or_else(invalid)?;
        let tag = |tag: &Value| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str()?.to_owned()));
        let tags: Vec<_> = tags.iter().map(tag).collect::<Option<_>>().ok_or_else(invalid)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(arn.to_owned()).or_default();
        let mut next = own.clone();
        next.extend(tags);
        if next.len() > MAX_TAGS {
            let message = format!("a resource has at most {MAX_TAGS} tags");
            return Err(ApiError { status: 400, kind: "TooManyTagsException", message });
        }
        *own = next;
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        json!(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what [`Tags::json`] has returned.
    pub(super) fn restore(&self, saved: &Value) {
        if let Ok(saved) = serde_json::from_value(saved.clone()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = saved;
        }
    }

    pub(super) fn forget(&self, arn: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }
}

pub(super) fn list(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let arn = resource(app, call)?;
    let all = app.settings.tags.0.lock().unwrap_or_else(PoisonError::into_inner);
    let tags = all.get(arn).into_iter().flatten().map(|(key, value)| json!({ "Key": key, "Value": value }));
    Ok(json!({ "Tags": tags.collect::<Vec<_>>(), "NextToken": null }))
}

pub(super) fn add(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let arn = resource(app, call)?;
    if !call.contains_key("Tags") {
        return Err(ApiError::invalid("`Tags` is missing"));
    }
    app.settings.tags.set(&json!(arn), call.get("Tags"))?;
    Ok(json!({}))
}

pub(super) fn remove(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let (arn, keys) = (resource(app, call)?, texts(call, "TagKeys")?);
    let mut all = app.settings.tags.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(own) = all.get_mut(arn) {
        own.retain(|key, _| !keys.contains(&key.as_str()));
    }
    Ok(json!({}))
}

/// Returns the ARN of a call, if there is a group or a rule that has it.
fn resource<'a>(app: &App, call: &'a Arguments) -> Result<&'a str, ApiError> {
    let arn = required(call, "ResourceARN")?;
    let known = app.store.groups().get(arn).is_some_and(|group| group.arn == arn)
        || app.sampling(|sampling| sampling.has_rule(arn));
    match known {
        true => Ok(arn),
        false => Err(ApiError::not_found(format!("there is no group and no sampling rule with the ARN {arn:?}"))),
    }
}
