//! Groups: filter expressions with a name.

use serde_json::{Value, json};

use super::input::{group, page, required, text};
use super::{ApiError, Arguments};
use crate::filter::{Filter, Group, Groups};
use crate::web::App;

/// The service has at most this many groups.
const MAX_GROUPS: usize = 25;

/// Enough for any test, and a bound.
const MAX_LOCAL_GROUPS: usize = 1_000;

pub(super) fn list(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let groups = app.store.groups().all();
    let (groups, next) = page(call, &groups, 100)?;
    let groups: Vec<Value> = groups.iter().map(|group| record(group)).collect();
    Ok(json!({ "Groups": groups, "NextToken": next }))
}

pub(super) fn get(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    Ok(json!({ "Group": record(&*known(app, call)?) }))
}

pub(super) fn create(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let name = required(call, "GroupName")?;
    if !(1..=32).contains(&name.chars().count()) {
        return Err(ApiError::invalid("`GroupName` must have 1 to 32 characters"));
    }
    let groups = app.store.groups();
    if groups.get(name).is_some() {
        return Err(ApiError::invalid(format!("the group {name:?} already exists")));
    }
    let (text, filter) = filter(call)?.unwrap_or_else(|| (String::new(), Filter::everything()));
    let group = Group::new(name.to_owned(), text, filter);
    let tags = call.get("Tags");
    app.settings.tags.set(&json!(group.arn), tags)?;
    put(app, configured(group, call)?)
}

pub(super) fn update(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let mut group = (*known(app, call)?).clone();
    if let Some((text, filter)) = filter(call)? {
        if group.name == Group::DEFAULT {
            return Err(ApiError::invalid("the group \"Default\" has no filter expression"));
        }
        (group.text, group.filter) = (text, filter);
    }
    put(app, configured(group, call)?)
}

pub(super) fn delete(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let group = known(app, call)?;
    if group.name == Group::DEFAULT {
        return Err(ApiError::invalid("the group \"Default\" cannot be deleted"));
    }
    app.store.groups().remove(&group.name);
    app.settings.tags.forget(&group.arn);
    Ok(json!({}))
}

fn known(app: &App, call: &Arguments) -> Result<std::sync::Arc<Group>, ApiError> {
    group(call, app.store.groups())?.ok_or_else(|| ApiError::invalid("`GroupName` or `GroupARN` is missing"))
}

/// Parses the expression of a group. It cannot refer to groups, which could otherwise contain themselves.
fn filter(call: &Arguments) -> Result<Option<(String, Filter)>, ApiError> {
    let Some(text) = text(call, "FilterExpression")? else { return Ok(None) };
    if text.to_ascii_lowercase().contains("group.") && Filter::parse(text, &Groups::default()).is_err() {
        return Err(ApiError::invalid("the expression of a group cannot refer to groups"));
    }
    Ok(Some((text.to_owned(), Filter::parse(text, &Groups::default())?)))
}

fn configured(mut group: Group, call: &Arguments) -> Result<Group, ApiError> {
    let Some(configuration) = call.get("InsightsConfiguration").filter(|value| !value.is_null()) else {
        return Ok(group);
    };
    let switch = |name: &str, old: bool| match &configuration[name] {
        Value::Null => Ok(old),
        Value::Bool(value) => Ok(*value),
        _ => Err(ApiError::invalid(format!("`InsightsConfiguration.{name}` is neither true nor false"))),
    };
    group.insights = switch("InsightsEnabled", group.insights)?;
    group.notifications = switch("NotificationsEnabled", group.notifications)?;
    Ok(group)
}

fn put(app: &App, group: Group) -> Result<Value, ApiError> {
    let record = record(&group);
    let max = if app.settings.strict { MAX_GROUPS } else { MAX_LOCAL_GROUPS };
    match app.store.groups().put(group, max) {
        true => Ok(json!({ "Group": record })),
        false => Err(ApiError::invalid(format!("there are {max} groups already: delete one first"))),
    }
}

/// Reads what [`record`] has returned.
pub(super) fn from_record(record: &Value) -> Option<Group> {
    let (name, text) = (record["GroupName"].as_str()?, record["FilterExpression"].as_str()?);
    let filter = Filter::parse(text, &Groups::default()).ok()?;
    let configuration = &record["InsightsConfiguration"];
    let is_set = |name: &str| configuration[name].as_bool().unwrap_or_default();
    let mut group = Group::new(name.to_owned(), text.to_owned(), filter);
    (group.insights, group.notifications) = (is_set("InsightsEnabled"), is_set("NotificationsEnabled"));
    Some(group)
}

pub(super) fn record(group: &Group) -> Value {
    json!({
        "GroupName": group.name,
        "GroupARN": group.arn,
        "FilterExpression": group.text,
        "InsightsConfiguration": { "InsightsEnabled": group.insights, "NotificationsEnabled": group.notifications },
    })
}
