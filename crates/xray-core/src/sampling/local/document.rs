//! X-Ray's local sampling rule document, versions 1 and 2.

use serde_json::{Map, Value};

use crate::sampling::{FixedTarget, ParseRulesError, Rate, Rule, RulePlace, Rules, Sampler};

const LIMITS: [&str; 2] = ["fixed_target", "rate"];

/// Parses a document of either version.
pub(super) fn parse(text: &str) -> Result<Rules, ParseRulesError> {
    let document: Value =
        serde_json::from_str(text).map_err(|error| ParseRulesError::Json { message: error.to_string() })?;
    if document.get("SamplingRuleRecords").is_some() || document.get("SamplingRule").is_some() {
        return Err(ParseRulesError::ServiceResponse);
    }
    let document = Members::of(&document, RulePlace::Document)?;
    let host = match document.get("version")?.as_f64() {
        Some(1.0) => "service_name",
        Some(2.0) => "host",
        _ => return Err(document.invalid("version", "the number 1 or 2")),
    };

    let default = Members::of(document.get("default")?, RulePlace::Default)?;
    default.allow(&LIMITS)?;
    let mut rules = Rules::new(default.target()?, default.rate()?);
    for (index, rule) in document.array("rules")?.iter().enumerate() {
        let description = rule["description"].as_str().map(Into::into);
        rules = rules.rule(parse_rule(Members::of(rule, RulePlace::Rule(index, description))?, host)?);
    }
    rules.validate()?;
    Ok(rules)
}

/// Parses one rule. `host` is the name of the field for its host, which depends on the version.
fn parse_rule(members: Members<'_>, host: &'static str) -> Result<Rule, ParseRulesError> {
    members.allow(&["description", host, "http_method", "url_path", LIMITS[0], LIMITS[1]])?;
    let rule = Rule::new(members.target()?, members.rate()?)
        .host(members.text(host)?)
        .method(members.text("http_method")?)
        .path(members.text("url_path")?);
    Ok(match members.members.contains_key("description") {
        true => rule.describe(members.text("description")?),
        false => rule,
    })
}

/// The members of one object of the document.
struct Members<'a> {
    at: RulePlace,
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    fn of(value: &'a Value, at: RulePlace) -> Result<Members<'a>, ParseRulesError> {
        match value.as_object() {
            Some(members) => Ok(Members { at, members }),
            None => Err(ParseRulesError::NotAnObject { at }),
        }
    }

    /// Rejects unknown fields: a misspelt condition would otherwise make the rule match every request.
    fn allow(&self, fields: &[&str]) -> Result<(), ParseRulesError> {
        match self.members.keys().find(|key| !fields.contains(&key.as_str())) {
            Some(key) => Err(ParseRulesError::Unknown { at: self.at.clone(), field: key.clone() }),
            None => Ok(()),
        }
    }

    fn get(&self, field: &'static str) -> Result<&'a Value, ParseRulesError> {
        self.members.get(field).ok_or_else(|| ParseRulesError::Missing { at: self.at.clone(), field })
    }

    /// Returns the elements of an array; an absent or null field counts as an empty one.
    fn array(&self, field: &'static str) -> Result<&'a [Value], ParseRulesError> {
        match self.members.get(field) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(self.invalid(field, "an array")),
        }
    }

    fn text(&self, field: &'static str) -> Result<&'a str, ParseRulesError> {
        let text = self.get(field)?.as_str().filter(|text| !text.is_empty());
        text.ok_or_else(|| self.invalid(field, "a non-empty string"))
    }

    /// Accepts `1.0` as an integer, and clamps values above `u32::MAX`.
    fn target(&self) -> Result<FixedTarget, ParseRulesError> {
        match self.get("fixed_target")?.as_f64() {
            Some(number) if number >= 0.0 && number.fract() == 0.0 => Ok(FixedTarget(number as u32)),
            _ => Err(self.invalid("fixed_target", "a non-negative integer")),
        }
    }

    fn rate(&self) -> Result<Rate, ParseRulesError> {
        self.get("rate")?.as_f64().map(Rate).ok_or_else(|| self.invalid("rate", "a number from 0 to 1"))
    }

    fn invalid(&self, field: &'static str, expected: &'static str) -> ParseRulesError {
        let found = self.members.get(field).unwrap_or(&Value::Null);
        ParseRulesError::invalid(self.at.clone(), field, expected, found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Returns `ok`, or the place and field of the error.
    fn outcome(text: &str) -> String {
        match parse(text) {
            Ok(_) => "ok".into(),
            Err(ParseRulesError::Json { .. }) => "json".into(),
            Err(ParseRulesError::ServiceResponse) => "service".into(),
            Err(ParseRulesError::NotAnObject { at }) => format!("{} object", place(&at)),
            Err(ParseRulesError::Missing { at, field }) => format!("{} lacks {field}", place(&at)),
            Err(ParseRulesError::Unknown { at, field }) => format!("{} unknown {field}", place(&at)),
            Err(ParseRulesError::Invalid { at, field, .. }) => format!("{} {field}", place(&at)),
            Err(other) => panic!("{other}"),
        }
    }

    fn place(at: &RulePlace) -> String {
        match at {
            RulePlace::Rule(index, _) => format!("Rule({index})"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_error_names_the_rule_the_field_and_the_value() {
        let long = "x".repeat(100);
        for (rule, want) in [
            (json!({"rate": 1.5}), "`rate` is 1.5, but must be a number from 0 to 1"),
            (json!({"rate": "5 %"}), "`rate` is \"5 %\", but must be a number from 0 to 1"),
            (json!({"fixed_target": -1}), "`fixed_target` is -1, but must be a non-negative integer"),
            (json!({"host": ""}), "`host` is \"\", but must be a non-empty string"),
            (json!({"http_method": [long]}), "xxx…, but must be a non-empty string"),
        ] {
            let mut whole = json!({
                "description": "Sign-in", "host": "*", "http_method": "*", "url_path": "*", "fixed_target": 1, "rate": 0.1
            });
            whole.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
            let document = json!({"version": 2, "default": {"fixed_target": 1, "rate": 0.1}, "rules": [whole]});
            let message = parse(&document.to_string()).unwrap_err().to_string();
            assert!(message.starts_with("sampling rule 0 \"Sign-in\": `"), "{message}");
            assert!(message.ends_with(want), "{message}");
            assert!(message.chars().count() < 200, "{message}");
        }
    }

    #[test]
    fn a_response_of_the_service_is_recognised() {
        for document in [
            json!({"SamplingRuleRecords": []}),
            json!({"SamplingRuleRecords": [{"SamplingRule": {"RuleName": "Default"}}], "NextToken": null}),
            json!({"SamplingRule": {"RuleName": "orders"}}),
        ] {
            let error = parse(&document.to_string()).unwrap_err();
            assert_eq!(error, ParseRulesError::ServiceResponse);
            assert!(error.to_string().starts_with("this looks like a response to GetSamplingRules"), "{error}");
        }
    }

    #[test]
    fn the_documents_version_and_structure_are_checked() {
        let default = r#""default":{"fixed_target":1,"rate":0.5}"#;
        for (document, want) in [
            (format!(r#"{{"version":2,{default}}}"#), "ok"),
            (format!(r#"{{"version":1,{default},"rules":[]}}"#), "ok"),
            (format!(r#"{{"version":2.0,{default},"rules":null,"comment":7}}"#), "ok"),
            (format!(r#"{{"version":3,{default}}}"#), "Document version"),
            (format!(r#"{{"version":0,{default}}}"#), "Document version"),
            (format!(r#"{{"version":"2",{default}}}"#), "Document version"),
            (format!(r#"{{"version":null,{default}}}"#), "Document version"),
            (format!("{{{default}}}"), "Document lacks version"),
            (format!(r#"{{"version":2,{default},"rules":{{}}}}"#), "Document rules"),
            (format!(r#"{{"version":2,{default},"rules":[[]]}}"#), "Rule(0) object"),
            (r#"{"version":2}"#.into(), "Document lacks default"),
            (r#"{"version":2,"default":null}"#.into(), "Default object"),
            (r#"{"version":2,"default":[1,0.5]}"#.into(), "Default object"),
            ("[]".into(), "Document object"),
            ("{".into(), "json"),
            ("".into(), "json"),
        ] {
            assert_eq!(outcome(&document), want, "{document}");
        }
    }

    #[test]
    fn the_default_has_only_a_target_and_a_rate() {
        for (default, want) in [
            (r#"{"fixed_target":0,"rate":1}"#, "ok"),
            (r#"{"fixed_target":1.0,"rate":-0.0}"#, "ok"),
            (r#"{"fixed_target":1e3,"rate":1e-3}"#, "ok"),
            (r#"{"fixed_target":-0,"rate":1.0}"#, "ok"),
            (r#"{"fixed_target":18446744073709551616,"rate":1}"#, "ok"),
            (r#"{"fixed_target":-1,"rate":0.5}"#, "Default fixed_target"),
            (r#"{"fixed_target":1.5,"rate":0.5}"#, "Default fixed_target"),
            (r#"{"fixed_target":"1","rate":0.5}"#, "Default fixed_target"),
            (r#"{"fixed_target":true,"rate":0.5}"#, "Default fixed_target"),
            (r#"{"fixed_target":null,"rate":0.5}"#, "Default fixed_target"),
            (r#"{"fixed_target":1e999,"rate":0.5}"#, "json"),
            (r#"{"fixed_target":1,"rate":1.1}"#, "Default rate"),
            (r#"{"fixed_target":1,"rate":-0.1}"#, "Default rate"),
            (r#"{"fixed_target":1,"rate":"0.1"}"#, "Default rate"),
            (r#"{"fixed_target":1}"#, "Default lacks rate"),
            (r#"{"rate":1}"#, "Default lacks fixed_target"),
            (r#"{"fixed_target":1,"rate":0.5,"extra":1}"#, "Default unknown extra"),
            (r#"{"fixed_target":1,"rate":0.5,"description":"d"}"#, "Default unknown description"),
        ] {
            assert_eq!(outcome(&format!(r#"{{"version":2,"default":{default}}}"#)), want, "{default}");
        }
    }

    #[test]
    fn the_fields_of_a_rule_depend_on_the_version() {
        let fine = json!({"host": "*", "http_method": "*", "url_path": "*", "fixed_target": 1, "rate": 0.1});
        for (version, field, value, want) in [
            (2, "description", json!("d"), "ok"),
            (2, "rate", json!(0), "ok"),
            (2, "description", json!(""), "Rule(1) description"),
            (2, "description", json!(null), "Rule(1) description"),
            (2, "host", json!(""), "Rule(1) host"),
            (2, "host", json!(null), "Rule(1) host"),
            (2, "http_method", json!(5), "Rule(1) http_method"),
            (2, "url_path", json!(["*"]), "Rule(1) url_path"),
            (2, "fixed_target", json!(-5), "Rule(1) fixed_target"),
            (2, "rate", json!(2), "Rule(1) rate"),
            (2, "service_name", json!("*"), "Rule(1) unknown service_name"),
            (2, "bogus", json!(1), "Rule(1) unknown bogus"),
            (1, "description", json!("d"), "Rule(0) unknown host"),
        ] {
            let mut rule = fine.clone();
            rule[field] = value;
            let document = json!({
                "version": version, "default": {"fixed_target": 1, "rate": 0.1}, "rules": [fine, rule]
            });
            assert_eq!(outcome(&document.to_string()), want, "{document}");
        }
        for field in ["host", "http_method", "url_path", "fixed_target", "rate"] {
            let mut rule = fine.clone();
            rule.as_object_mut().unwrap().remove(field);
            let document = json!({"version": 2, "default": {"fixed_target": 1, "rate": 0.1}, "rules": [rule]});
            assert_eq!(outcome(&document.to_string()), format!("Rule(0) lacks {field}"));
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4_i64).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[*a]{0,2}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            prop::sample::select(vec!["version", "default", "rules", "fixed_target", "rate", "host", "url_path"])
                .prop_map(str::to_owned),
            "[a-z]{0,3}",
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..8).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_accepted_or_rejected(document in values()) {
            let _ = parse(&document.to_string());
        }

        #[test]
        fn any_default_and_rules_are_accepted_or_rejected(default in values(), rules in values()) {
            let document = json!({"version": 2, "default": default, "rules": rules});
            let _ = parse(&document.to_string());
        }

        #[test]
        fn any_text_is_accepted_or_rejected(text: String) {
            let _ = parse(&text);
        }
    }
}
