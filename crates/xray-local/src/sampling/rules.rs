//! Sampling rules, read from a file and reloaded when it changes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::epoch;
use super::error::{RulePlace, RulesError};

/// Maximum bytes of a rules file: enough for several thousand rules.
const MAX_FILE: u64 = 1 << 20;

/// The rule that every account has and that cannot be deleted.
pub(super) const DEFAULT: &str = "Default";

/// The conditions of a rule; `*` if left out.
const CONDITIONS: [&str; 6] = ["ResourceARN", "ServiceName", "ServiceType", "Host", "HTTPMethod", "URLPath"];

const OTHERS: [&str; 6] = ["RuleName", "Priority", "FixedRate", "ReservoirSize", "Version", "Attributes"];

/// The sampling rules that a [`Receiver`](crate::Receiver) serves to SDKs, like the X-Ray service.
///
/// They have the format of the X-Ray API, so the output of `aws xray get-sampling-rules` works unchanged. Rules written
/// by hand need `RuleName`, `Priority`, `FixedRate` and `ReservoirSize`; conditions that are left out are `*`. If there
/// is no `Default` rule, X-Ray's own is added: one request per second, and 5 % of the rest.
///
/// ```
/// use xray_local::SamplingRules;
///
/// let rules = SamplingRules::from_json(r#"{"SamplingRuleRecords": [{"SamplingRule": {
///     "RuleName": "orders", "Priority": 10, "FixedRate": 0.1, "ReservoirSize": 5, "URLPath": "/orders/*"
/// }}]}"#)?;
/// assert_eq!(rules.names().collect::<Vec<_>>(), ["orders", "Default"]);
/// # Ok::<(), xray_local::RulesError>(())
/// ```
#[derive(Debug)]
pub struct SamplingRules {
    rules: Vec<Rule>,
    /// When they came into use, since the epoch.
    modified: Duration,
    watched: Option<WatchedFile>,
    /// Whether edited rules are written to the file.
    write_back: bool,
}

/// One rule, with the fields that determine its targets.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) rate: f64,
    pub(crate) reservoir: u32,
    /// The rule and its times, as sent to clients.
    pub(crate) record: Value,
}

/// A file that may change.
#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    /// The last content read, valid or not. Whole texts are compared because file times are too coarse to distinguish
    /// two edits.
    seen: Result<String, io::ErrorKind>,
}

impl SamplingRules {
    /// Reads rules from a file of at most 1 MiB.
    ///
    /// The receiver reloads the file when it changes. Anything other than a regular file, such as `/dev/stdin`, is read
    /// once.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or its rules cannot be used.
    pub fn from_file(path: impl AsRef<Path>) -> Result<SamplingRules, RulesError> {
        let path = path.as_ref();
        let text = read(path).map_err(|kind| RulesError::File { path: path.to_owned(), kind })?;
        let rules = SamplingRules::from_json(&text).map_err(|error| in_file(path, error))?;
        let watched = path.is_file().then(|| WatchedFile { path: path.to_owned(), seen: Ok(text) });
        Ok(SamplingRules { watched, ..rules })
    }

    /// Parses rules from JSON text. These rules never change.
    ///
    /// # Errors
    ///
    /// Returns an error that names the rule and the field if the rules cannot be used.
    pub fn from_json(text: &str) -> Result<SamplingRules, RulesError> {
        let modified = epoch();
        Ok(SamplingRules { rules: parse(text, modified)?, modified, watched: None, write_back: false })
    }

    /// Whether rules that are edited through the API are written to the file they were read from (default: false).
    ///
    /// Without it they stay in memory until the file changes, which replaces all rules. Calling this again replaces the
    /// value.
    #[must_use]
    pub fn write_back(mut self, write_back: bool) -> SamplingRules {
        self.write_back = write_back;
        self
    }

    /// Returns the rules for a store file, with what their own file contained.
    pub(super) fn state(&self) -> Value {
        let records: Vec<&Value> = self.records().collect();
        json!({ "file": self.file(), "SamplingRuleRecords": records })
    }

    /// Replaces the rules with those that [`state`](SamplingRules::state) has returned, unless their file has changed since
    /// then.
    pub(crate) fn restored(mut self, saved: Option<String>) -> SamplingRules {
        let same_file =
            |text: &String| serde_json::from_str::<Value>(text).is_ok_and(|saved| saved["file"] == json!(self.file()));
        if let Some(rules) = saved.filter(same_file).and_then(|text| parse(&text, self.modified).ok()) {
            self.rules = rules;
        }
        self
    }

    /// Returns a hash of the content of the file, if there is one.
    fn file(&self) -> Option<String> {
        self.watched.as_ref().map(|watched| format!("{:016x}", crate::trace::hash(&watched.seen.as_deref().ok())))
    }

    /// Returns the names of the rules, in the order of the document.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// Returns when the rules came into use, since the epoch. Clients that fetched rules earlier fetch them again.
    pub(crate) fn modified(&self) -> Duration {
        self.modified
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &Value> {
        self.rules.iter().map(|rule| &rule.record)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// Replaces the rule with this name, or adds it.
    pub(super) fn put(&mut self, rule: Rule, replaced: Option<&str>, now: Duration) -> Result<(), String> {
        let place = replaced.and_then(|name| self.rules.iter().position(|known| known.name == name));
        let old = match place {
            Some(place) => std::mem::replace(&mut self.rules[place], rule),
            None => {
                self.rules.push(rule);
                return self.edited(now).inspect_err(|_| _ = self.rules.pop());
            }
        };
        let place = place.unwrap_or_default();
        match self.edited(now) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.rules[place] = old;
                Err(error)
            }
        }
    }

    /// Removes the rule with this name.
    pub(super) fn remove(&mut self, name: &str, now: Duration) -> Result<(), String> {
        let Some(place) = self.rules.iter().position(|rule| rule.name == name) else { return Ok(()) };
        let old = self.rules.remove(place);
        let result = self.edited(now);
        if result.is_err() {
            self.rules.insert(place, old);
        }
        result
    }

    /// Writes changed rules to the file, if that is wanted, and notes the time.
    fn edited(&mut self, now: Duration) -> Result<(), String> {
        if let Some(watched) = self.watched.as_mut().filter(|_| self.write_back) {
            let records: Vec<&Value> = self.rules.iter().map(|rule| &rule.record).collect();
            let text = serde_json::to_string_pretty(&json!({ "SamplingRuleRecords": records })).unwrap_or_default();
            // Not by renaming a new file, which would replace a link and lose the owner of the file.
            std::fs::write(&watched.path, format!("{text}\n")).map_err(|error| {
                format!("the rules were not changed, because {} cannot be written: {error}", watched.path.display())
            })?;
            watched.seen = Ok(format!("{text}\n"));
        }
        self.modified = now.max(self.modified + Duration::from_millis(1));
        Ok(())
    }

    /// Reads the file again. Returns `None` if it has not changed. If its rules cannot be used, the old ones stay.
    pub(crate) fn refresh(&mut self, now: Duration) -> Option<Result<(), RulesError>> {
        let watched = self.watched.as_mut()?;
        let seen = read(&watched.path);
        if seen == watched.seen {
            return None;
        }
        let rules = match &seen {
            Ok(text) => parse(text, now).map_err(|error| in_file(&watched.path, error)),
            Err(kind) => Err(RulesError::File { path: watched.path.clone(), kind: *kind }),
        };
        watched.seen = seen;
        Some(rules.map(|rules| {
            self.rules = rules;
            // Ensures that a clock that was set back does not hide a change.
            self.modified = now.max(self.modified + Duration::from_millis(1));
        }))
    }
}

impl Default for SamplingRules {
    /// Returns only X-Ray's default rule: one request per second, and 5 % of the rest.
    fn default() -> SamplingRules {
        let modified = epoch();
        SamplingRules { rules: vec![Rule::default(modified)], modified, watched: None, write_back: false }
    }
}

fn in_file(path: &Path, error: RulesError) -> RulesError {
    RulesError::InFile { path: path.to_owned(), error: Box::new(error) }
}

fn read(path: &Path) -> Result<String, io::ErrorKind> {
    let mut text = String::new();
    let file = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    match file.map_err(|error| error.kind())? as u64 {
        length if length > MAX_FILE => Err(io::ErrorKind::FileTooLarge),
        _ => Ok(text),
    }
}

fn parse(text: &str, now: Duration) -> Result<Vec<Rule>, RulesError> {
    let document: Value =
        serde_json::from_str(text).map_err(|error| RulesError::Json { message: error.to_string() })?;
    let records = document["SamplingRuleRecords"].as_array().ok_or_else(|| {
        match document.get("version").is_some() && document.get("default").is_some() {
            true => RulesError::LocalDocument,
            false => RulesError::Records,
        }
    })?;
    let mut rules: Vec<Rule> = Vec::with_capacity(records.len() + 1);
    for (index, record) in records.iter().enumerate() {
        let rule = Rule::read(index, record, now)?;
        if rules.iter().any(|other| other.name == rule.name) {
            let found = json!(rule.name).to_string();
            let place = RulePlace { index, name: Some(rule.name) };
            return Err(RulesError::Invalid { rule: place, field: "RuleName", expected: "unique", found });
        }
        rules.push(rule);
    }
    if !rules.iter().any(|rule| rule.name == DEFAULT) {
        rules.push(Rule::default(now));
    }
    Ok(rules)
}

impl Rule {
    fn default(now: Duration) -> Rule {
        let mut rule = Map::from_iter([
            ("RuleName".to_owned(), json!(DEFAULT)),
            ("Priority".to_owned(), json!(10_000)),
            ("FixedRate".to_owned(), json!(0.05)),
            ("ReservoirSize".to_owned(), json!(1)),
        ]);
        complete(&mut rule);
        let record = json!({ "SamplingRule": rule, "CreatedAt": 0, "ModifiedAt": now.as_secs_f64() });
        Rule { name: DEFAULT.to_owned(), rate: 0.05, reservoir: 1, record }
    }

    /// Reads one rule. Unknown members belong to later versions of the service and are passed on unchanged.
    pub(super) fn read(index: usize, record: &Value, now: Duration) -> Result<Rule, RulesError> {
        let unnamed = RulePlace { index, name: None };
        let Some(mut rule) = record["SamplingRule"].as_object().cloned() else {
            let found = record["SamplingRule"].to_string();
            return Err(RulesError::Invalid { rule: unnamed, field: "SamplingRule", expected: "an object", found });
        };
        let name = rule.get("RuleName").and_then(Value::as_str).map(str::to_owned);
        let place = || RulePlace { name: name.clone(), ..unnamed.clone() };
        for field in CONDITIONS.into_iter().chain(OTHERS) {
            // A misspelt condition would otherwise be ignored as an unknown member.
            if rule.keys().any(|key| key != field && key.eq_ignore_ascii_case(field)) {
                return Err(RulesError::Misspelt { rule: place(), field });
            }
        }
        complete(&mut rule);
        let field = |field: &'static str, expected: &'static str| match rule.get(field) {
            Some(value) => {
                Ok((value, RulesError::Invalid { rule: place(), field, expected, found: value.to_string() }))
            }
            None => Err(RulesError::Missing { rule: place(), field }),
        };

        let (value, error) = field("RuleName", "a string of 1 to 32 characters")?;
        let name = value.as_str().filter(|name| (1..=32).contains(&name.chars().count())).ok_or(error)?;
        let (priorities, expected) = match name {
            DEFAULT => (10_000..=10_000, "10000"),
            _ => (1..=9_999, "a whole number from 1 to 9999"),
        };
        let (value, error) = field("Priority", expected)?;
        value.as_u64().filter(|priority| priorities.contains(priority)).ok_or(error)?;
        let (value, error) = field("FixedRate", "a number from 0 to 1")?;
        let rate = value.as_f64().filter(|rate| (0.0..=1.0).contains(rate)).ok_or(error)?;
        let (value, error) = field("ReservoirSize", "a whole number, 0 or more")?;
        let reservoir = value.as_u64().and_then(|size| u32::try_from(size).ok()).ok_or(error)?;
        let (value, error) = field("Version", "1")?;
        value.as_u64().filter(|&version| version == 1).ok_or(error)?;
        let (value, error) = field("Attributes", "an object with string values")?;
        value.as_object().filter(|attributes| attributes.values().all(Value::is_string)).ok_or(error)?;
        for condition in CONDITIONS {
            let (value, error) = field(condition, "a non-empty string, such as \"*\"")?;
            value.as_str().filter(|text| !text.is_empty()).ok_or(error)?;
        }

        // Version 2 of the AWS CLI prints times as strings, which SDKs cannot read. Use the load time instead.
        let time = |field: &str| record[field].as_f64().unwrap_or(now.as_secs_f64());
        let (created, modified) = (time("CreatedAt"), time("ModifiedAt"));
        let name = name.to_owned();
        let record = json!({ "SamplingRule": rule, "CreatedAt": created, "ModifiedAt": modified });
        Ok(Rule { name, rate, reservoir, record })
    }
}

/// Adds the optional fields that are left out.
fn complete(rule: &mut Map<String, Value>) {
    for field in CONDITIONS {
        rule.entry(field).or_insert_with(|| json!("*"));
    }
    rule.entry("Version").or_insert_with(|| json!(1));
    rule.entry("Attributes").or_insert_with(|| json!({}));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> String {
        let mut rule = json!({"RuleName": "orders", "Priority": 1, "FixedRate": 0.5, "ReservoirSize": 2});
        change(&mut rule);
        json!({"SamplingRuleRecords": [{"SamplingRule": rule}]}).to_string()
    }

    #[test]
    fn optional_fields_are_filled_in() {
        let rules = SamplingRules::from_json(&document(|rule| rule["New"] = json!(true))).unwrap();
        let records: Vec<_> = rules.records().map(|record| record["SamplingRule"].clone()).collect();
        assert_eq!(
            records[0],
            json!({
                "RuleName": "orders", "Priority": 1, "FixedRate": 0.5, "ReservoirSize": 2, "Version": 1,
                "ResourceARN": "*", "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
                "URLPath": "*", "Attributes": {}, "New": true,
            })
        );
        assert_eq!(
            records[1],
            json!({
                "RuleName": "Default", "Priority": 10000, "FixedRate": 0.05, "ReservoirSize": 1, "Version": 1,
                "ResourceARN": "*", "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
                "URLPath": "*", "Attributes": {},
            })
        );
        let alone: Vec<_> = SamplingRules::default().records().map(|record| record["SamplingRule"].clone()).collect();
        assert_eq!(alone, records[1..]);
    }

    #[test]
    fn times_printed_by_both_versions_of_the_aws_cli_become_numbers() {
        let rule = json!({"RuleName": "Default", "Priority": 10000, "FixedRate": 0.05, "ReservoirSize": 1});
        for (created, modified, want) in [
            (json!(0.0), json!(1_530_558_121.5), json!([0.0, 1_530_558_121.5])),
            (json!("1970-01-01T00:00:00+00:00"), json!("2018-07-02T21:02:01+02:00"), json!([7.0, 7.0])),
        ] {
            let record = json!({"SamplingRule": rule, "CreatedAt": created, "ModifiedAt": modified});
            let rule = Rule::read(0, &record, Duration::from_secs(7)).unwrap().record;
            assert_eq!(json!([rule["CreatedAt"], rule["ModifiedAt"]]), want);
        }
    }

    #[test]
    fn errors_name_rule_and_field() {
        let set = |field: &'static str, value: Value| document(|rule| rule[field] = value);
        for (text, want) in [
            ("{".to_owned(), "sampling rules are not valid JSON: EOF while parsing an object at line 1 column 1"),
            ("[]".to_owned(), "the list `SamplingRuleRecords` is missing"),
            (
                r#"{"version": 2, "default": {"fixed_target": 1, "rate": 0.1}}"#.to_owned(),
                "this looks like a local sampling document, which an SDK reads itself, instead of the response of \
                 GetSamplingRules",
            ),
            (
                r#"{"SamplingRuleRecords": [{}]}"#.to_owned(),
                "sampling rule 0: `SamplingRule` is null, but must be an object",
            ),
            (
                document(|rule| _ = rule.as_object_mut().unwrap().remove("FixedRate")),
                "sampling rule 0 \"orders\": `FixedRate` is missing",
            ),
            (
                document(|rule| _ = rule.as_object_mut().unwrap().remove("RuleName")),
                "sampling rule 0: `RuleName` is missing",
            ),
            (
                set("UrlPath", json!("/a")),
                "sampling rule 0 \"orders\": a field differs from `URLPath` only in case; use that spelling",
            ),
            (
                set("RuleName", json!("")),
                "sampling rule 0 \"\": `RuleName` is \"\", but must be a string of 1 to 32 characters",
            ),
            (
                set("Priority", json!(0)),
                "sampling rule 0 \"orders\": `Priority` is 0, but must be a whole number from 1 to 9999",
            ),
            (
                set("Priority", json!(1.5)),
                "sampling rule 0 \"orders\": `Priority` is 1.5, but must be a whole number from 1 to 9999",
            ),
            (set("RuleName", json!("Default")), "sampling rule 0 \"Default\": `Priority` is 1, but must be 10000"),
            (
                set("FixedRate", json!(5)),
                "sampling rule 0 \"orders\": `FixedRate` is 5, but must be a number from 0 to 1",
            ),
            (
                set("ReservoirSize", json!(-1)),
                "sampling rule 0 \"orders\": `ReservoirSize` is -1, but must be a whole number, 0 or more",
            ),
            (set("Version", json!(2)), "sampling rule 0 \"orders\": `Version` is 2, but must be 1"),
            (
                set("Attributes", json!({"a": 1})),
                "sampling rule 0 \"orders\": `Attributes` is {\"a\":1}, but must be an object with string values",
            ),
            (
                set("Host", json!("")),
                "sampling rule 0 \"orders\": `Host` is \"\", but must be a non-empty string, such as \"*\"",
            ),
        ] {
            assert_eq!(SamplingRules::from_json(&text).unwrap_err().to_string(), want, "{text}");
        }
        let mut twice: Value = serde_json::from_str(&document(|_| ())).unwrap();
        let record = twice["SamplingRuleRecords"][0].clone();
        twice["SamplingRuleRecords"].as_array_mut().unwrap().push(record);
        let error = SamplingRules::from_json(&twice.to_string()).unwrap_err();
        assert_eq!(error.to_string(), "sampling rule 1 \"orders\": `RuleName` is \"orders\", but must be unique");
    }
}
