//! The environment: every variable the SDK knows, read once, when a recorder is built. Plugins read those of
//! their platforms when they are made.

use crate::context::ContextMissing;
use crate::diagnostics::Level;
use crate::emit::DaemonAddress;

/// What the environment says. A variable that is unset, empty or not understood leaves the default; the last
/// case is told in `problems`.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `AWS_XRAY_SDK_ENABLED=false` or `AWS_XRAY_SDK_DISABLED=true`.
    pub(crate) disabled: bool,
    /// `AWS_XRAY_DAEMON_ADDRESS`.
    pub(crate) daemon: Option<DaemonAddress>,
    /// `AWS_XRAY_CONTEXT_MISSING`.
    pub(crate) context_missing: Option<ContextMissing>,
    /// `AWS_XRAY_TRACING_NAME`.
    pub(crate) tracing_name: Option<String>,
    /// `AWS_XRAY_DEBUG_MODE`, `AWS_XRAY_LOG_LEVEL`: `Some(None)` is `silent`.
    pub(crate) log: Option<Option<Level>>,
    /// `AWS_XRAY_COLLECT_SQL_QUERIES`.
    pub(crate) collect_sql: bool,
    /// `AWS_LOG_GROUP`.
    pub(crate) log_group: Option<String>,
    /// `LAMBDA_TASK_ROOT` is set, or `AWS_LAMBDA_RUNTIME_API`, which is all that some emulators set: this is a
    /// Lambda function.
    pub(crate) lambda: bool,
    /// Variables that were not understood.
    pub(crate) problems: Vec<String>,
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn read() -> Environment {
        Environment::from_lookup(variable)
    }

    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Environment {
        let get = |name: &str| lookup(name).and_then(set);
        let is_on = |name: &str| get(name).is_some_and(|value| !is_no(&value));
        let mut problems = Vec::new();
        let mut problem = |name: &str, value: &str, accepts: &str, then: &str| {
            problems.push(format!("{name}={value:?} is not understood ({accepts}): {then}"));
        };

        let enabled = get("AWS_XRAY_SDK_ENABLED").is_none_or(|value| {
            let no = is_no(&value) || is_letter(&value, 'n', 'f');
            if !no && !is_yes(&value) {
                problem("AWS_XRAY_SDK_ENABLED", &value, "expected true or false", "the SDK is enabled");
            }
            !no
        });
        let daemon = get("AWS_XRAY_DAEMON_ADDRESS").and_then(|value| {
            let parsed = value.parse();
            parsed
                .map_err(|error| problem("AWS_XRAY_DAEMON_ADDRESS", &value, &format!("{error}"), "it is ignored"))
                .ok()
        });
        let context_missing = get("AWS_XRAY_CONTEXT_MISSING").and_then(|value| {
            let parsed = value.parse();
            parsed
                .map_err(|error| problem("AWS_XRAY_CONTEXT_MISSING", &value, &format!("{error}"), "it is ignored"))
                .ok()
        });
        let level = get("AWS_XRAY_LOG_LEVEL").and_then(|value| match value.to_ascii_lowercase().as_str() {
            "debug" => Some(Some(Level::Debug)),
            "info" => Some(Some(Level::Info)),
            "warn" => Some(Some(Level::Warn)),
            "error" => Some(Some(Level::Error)),
            "silent" => Some(None),
            _ => {
                let accepts = "expected debug, info, warn, error or silent";
                problem("AWS_XRAY_LOG_LEVEL", &value, accepts, "it is ignored");
                None
            }
        });

        Environment {
            disabled: !enabled || is_on("AWS_XRAY_SDK_DISABLED"),
            daemon,
            context_missing,
            tracing_name: get("AWS_XRAY_TRACING_NAME"),
            log: if is_on("AWS_XRAY_DEBUG_MODE") { Some(Some(Level::Debug)) } else { level },
            collect_sql: is_on("AWS_XRAY_COLLECT_SQL_QUERIES"),
            log_group: get("AWS_LOG_GROUP"),
            lambda: get("LAMBDA_TASK_ROOT").or_else(|| get("AWS_LAMBDA_RUNTIME_API")).is_some(),
            problems,
        }
    }
}

/// A variable of this process, if it is set and not empty. For what is made before the recorder.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|value| set(value.to_string_lossy().into_owned()))
}

fn set(value: String) -> Option<String> {
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// What leaves every switch unset.
fn is_no(value: &str) -> bool {
    ["0", "false", "no", "off"].iter().any(|no| value.eq_ignore_ascii_case(no))
}

fn is_yes(value: &str) -> bool {
    ["1", "true", "yes", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes)) || is_letter(value, 'y', 't')
}

/// The short forms that `AWS_XRAY_SDK_ENABLED` takes as well.
fn is_letter(value: &str, one: char, other: char) -> bool {
    let mut letters = value.chars().map(|letter| letter.to_ascii_lowercase());
    letters.next().is_some_and(|letter| letter == one || letter == other) && letters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from_lookup(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn either_switch_turns_the_sdk_off_and_off_wins() {
        for (variables, disabled) in [
            (&[][..], false),
            (&[("AWS_XRAY_SDK_ENABLED", "FALSE")], true),
            (&[("AWS_XRAY_SDK_ENABLED", "0")], true),
            (&[("AWS_XRAY_SDK_ENABLED", "off")], true),
            (&[("AWS_XRAY_SDK_ENABLED", "N")], true),
            (&[("AWS_XRAY_SDK_ENABLED", "t")], false),
            (&[("AWS_XRAY_SDK_ENABLED", "true")], false),
            (&[("AWS_XRAY_SDK_ENABLED", "maybe")], false),
            (&[("AWS_XRAY_SDK_DISABLED", "true")], true),
            (&[("AWS_XRAY_SDK_DISABLED", "false")], false),
            (&[("AWS_XRAY_SDK_ENABLED", "true"), ("AWS_XRAY_SDK_DISABLED", "1")], true),
            (&[("AWS_XRAY_SDK_ENABLED", "false"), ("AWS_XRAY_SDK_DISABLED", "false")], true),
        ] {
            assert_eq!(environment(variables).disabled, disabled, "{variables:?}");
        }
    }

    #[test]
    fn debug_mode_beats_the_log_level() {
        for (variables, level) in [
            (&[][..], None),
            (&[("AWS_XRAY_LOG_LEVEL", "Warn")], Some(Some(Level::Warn))),
            (&[("AWS_XRAY_LOG_LEVEL", "silent")], Some(None)),
            (&[("AWS_XRAY_LOG_LEVEL", "loud")], None),
            (&[("AWS_XRAY_LOG_LEVEL", "silent"), ("AWS_XRAY_DEBUG_MODE", "TRUE")], Some(Some(Level::Debug))),
            (&[("AWS_XRAY_LOG_LEVEL", "warn"), ("AWS_XRAY_DEBUG_MODE", "false")], Some(Some(Level::Warn))),
        ] {
            assert_eq!(environment(variables).log, level, "{variables:?}");
        }
    }

    #[test]
    fn a_bad_value_is_told_with_its_variable_and_leaves_the_default() {
        for name in
            ["AWS_XRAY_DAEMON_ADDRESS", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_LOG_LEVEL", "AWS_XRAY_SDK_ENABLED"]
        {
            let bad = environment(&[(name, "nonsense")]);
            assert_eq!(bad.problems.len(), 1, "{:?}", bad.problems);
            assert!(bad.problems[0].starts_with(&format!("{name}=\"nonsense\"")), "{:?}", bad.problems);
            assert!(bad.daemon.is_none() && bad.context_missing.is_none() && !bad.disabled);
        }
    }
}
