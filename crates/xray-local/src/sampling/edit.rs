//! Changes of rules by calls: `CreateSamplingRule`, `UpdateSamplingRule`, `DeleteSamplingRule`.

use serde_json::{Map, Value, json};

use super::Session;
use super::rules::{DEFAULT, Rule};
use crate::api::ApiError;

/// The service has at most this many rules besides `Default`.
const MAX_RULES: usize = 25;

/// Enough for any test, and a bound.
const MAX_LOCAL_RULES: usize = 1_000;

/// The members of a rule that the service requires.
const REQUIRED: [&str; 9] = [
    "ResourceARN",
    "Priority",
    "FixedRate",
    "ReservoirSize",
    "ServiceName",
    "ServiceType",
    "Host",
    "HTTPMethod",
    "URLPath",
];

type Arguments = Map<String, Value>;

impl Session<'_> {
    /// Whether a rule has this ARN.
    pub(crate) fn has_rule(&self, arn: &str) -> bool {
        self.state.rules.names().any(|name| self::arn(name) == arn)
    }

    pub(crate) fn create_rule(&mut self, call: &Arguments, strict: bool) -> Result<Value, ApiError> {
        let mut rule = object(call, "SamplingRule")?;
        if strict && let Some(member) = REQUIRED.iter().find(|member| !rule.contains_key(**member)) {
            return Err(ApiError::invalid(format!("`SamplingRule.{member}` is missing")));
        }
        let name = rule.get("RuleName").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.state.rules.get(&name).is_some() {
            return Err(ApiError::invalid(format!("the sampling rule {name:?} already exists")));
        }
        let max = if strict { MAX_RULES } else { MAX_LOCAL_RULES };
        if self.state.rules.names().count() > max {
            return Err(ApiError::too_many_rules(format!("there are {max} sampling rules already: delete one first")));
        }
        rule.insert("RuleARN".to_owned(), json!(arn(&name)));
        let now = self.now.as_secs_f64();
        self.edit(&json!({ "SamplingRule": rule, "CreatedAt": now, "ModifiedAt": now }), None)
    }

    pub(crate) fn update_rule(&mut self, call: &Arguments) -> Result<Value, ApiError> {
        let changes = object(call, "SamplingRuleUpdate")?;
        let name = self.named(&changes)?;
        let mut record = self.record(&name)?;
        for (member, value) in changes {
            match member.as_str() {
                "RuleName" | "RuleARN" => continue,
                "FixedRate" | "ReservoirSize" => {}
                _ if name == DEFAULT && record["SamplingRule"][&member] != value => {
                    let message = format!("`{member}` of the rule \"Default\" cannot be changed");
                    return Err(ApiError::invalid(message));
                }
                _ => {}
            }
            if !value.is_null() {
                record["SamplingRule"][member] = value;
            }
        }
        record["SamplingRule"]["RuleARN"] = json!(arn(&name));
        record["ModifiedAt"] = json!(self.now.as_secs_f64());
        self.edit(&record, Some(&name))
    }

    pub(crate) fn delete_rule(&mut self, call: &Arguments) -> Result<Value, ApiError> {
        let name = self.named(call)?;
        if name == DEFAULT {
            return Err(ApiError::invalid("the rule \"Default\" cannot be deleted"));
        }
        let record = self.record(&name)?;
        self.state.rules.remove(&name, self.now).map_err(ApiError::invalid)?;
        self.state.reservoirs.remove(&name);
        Ok(json!({ "SamplingRuleRecord": record }))
    }

    /// Replaces the rule with a name by another one, or adds it.
    fn edit(&mut self, record: &Value, replaced: Option<&str>) -> Result<Value, ApiError> {
        let rule = Rule::read(0, record, self.now).map_err(|error| {
            let message = error.to_string();
            // The place in a file means nothing here.
            ApiError::invalid(message.replacen("sampling rule 0", "sampling rule", 1))
        })?;
        let record = rule.record.clone();
        self.state.rules.put(rule, replaced, self.now).map_err(ApiError::invalid)?;
        Ok(json!({ "SamplingRuleRecord": record }))
    }

    /// Returns the name of the rule that a call names.
    fn named(&self, call: &Arguments) -> Result<String, ApiError> {
        let text = |member: &str| call.get(member).and_then(Value::as_str);
        let key = text("RuleName").or(text("RuleARN"));
        let key = key.ok_or_else(|| ApiError::invalid("`RuleName` or `RuleARN` is missing"))?;
        let mut names = self.state.rules.names();
        let name = names.find(|name| *name == key || arn(name) == key);
        name.map(str::to_owned).ok_or_else(|| ApiError::invalid(format!("there is no sampling rule {key:?}")))
    }

    fn record(&self, name: &str) -> Result<Value, ApiError> {
        let rule = self.state.rules.get(name);
        rule.map(|rule| rule.record.clone())
            .ok_or_else(|| ApiError::invalid(format!("there is no sampling rule {name:?}")))
    }
}

fn object(call: &Arguments, name: &str) -> Result<Arguments, ApiError> {
    let value = call.get(name).and_then(Value::as_object).cloned();
    value.ok_or_else(|| ApiError::invalid(format!("`{name}` is missing or no object")))
}

fn arn(name: &str) -> String {
    format!("arn:aws:xray:local:000000000000:sampling-rule/{name}")
}
