//! The environment variables of the SDK, read once, when a recorder is built. Plugins read those of their platforms when
//! they are created.

use std::fmt;

use crate::diagnostics::{Level, Stderr};
use crate::emit::DaemonAddress;
use crate::missing::ContextMissing;

/// The settings from the environment. A variable that is unset, empty or invalid leaves the default. Invalid ones are
/// listed in `problems`.
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
    pub(crate) collect_sql: Option<bool>,
    /// `AWS_LOG_GROUP`.
    pub(crate) log_group: Option<String>,
    /// Whether the process is a Lambda function: `LAMBDA_TASK_ROOT` or `AWS_LAMBDA_RUNTIME_API` is set. Some emulators set
    /// only the latter.
    pub(crate) lambda: bool,
    /// Variables with invalid values.
    pub(crate) problems: Vec<Problem>,
}

/// A variable with an invalid value, which is treated as unset.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) variable: &'static str,
    value: String,
    /// A description of the accepted values.
    expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?} is not understood ({})", self.variable, self.value, self.expected)
    }
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn read() -> Environment {
        Environment::from_lookup(variable)
    }

    /// Reads the environment through a function, which returns the value of a variable.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Environment {
        let get = |name: &str| lookup(name).and_then(trimmed);
        let mut problems = Vec::new();
        let mut problem = |variable, value: &str, expected: &dyn fmt::Display| {
            problems.push(Problem { variable, value: value.to_owned(), expected: expected.to_string() });
        };
        let mut switch = |variable| {
            let value = get(variable)?;
            let on = parse_switch(&value);
            if on.is_none() {
                problem(variable, &value, &"expected true or false");
            }
            on
        };

        let enabled = switch("AWS_XRAY_SDK_ENABLED").unwrap_or(true);
        let disabled = switch("AWS_XRAY_SDK_DISABLED").unwrap_or(false);
        let debug = switch("AWS_XRAY_DEBUG_MODE").unwrap_or(false);
        let collect_sql = switch("AWS_XRAY_COLLECT_SQL_QUERIES");
        let daemon = get("AWS_XRAY_DAEMON_ADDRESS").and_then(|value| {
            let parsed = value.parse();
            parsed.map_err(|error| problem("AWS_XRAY_DAEMON_ADDRESS", &value, &error)).ok()
        });
        let context_missing = get("AWS_XRAY_CONTEXT_MISSING").and_then(|value| {
            let parsed = value.parse();
            parsed.map_err(|error| problem("AWS_XRAY_CONTEXT_MISSING", &value, &error)).ok()
        });
        let level = get("AWS_XRAY_LOG_LEVEL").and_then(|value| match value.to_ascii_lowercase().as_str() {
            "debug" => Some(Some(Level::Debug)),
            "info" => Some(Some(Level::Info)),
            "warn" => Some(Some(Level::Warn)),
            "error" => Some(Some(Level::Error)),
            "silent" => Some(None),
            _ => {
                problem("AWS_XRAY_LOG_LEVEL", &value, &"expected debug, info, warn, error or silent");
                None
            }
        });

        Environment {
            disabled: disabled || !enabled,
            daemon,
            context_missing,
            tracing_name: get("AWS_XRAY_TRACING_NAME"),
            log: if debug { Some(Some(Level::Debug)) } else { level },
            collect_sql,
            log_group: get("AWS_LOG_GROUP"),
            lambda: get("LAMBDA_TASK_ROOT").or_else(|| get("AWS_LAMBDA_RUNTIME_API")).is_some(),
            problems,
        }
    }

    /// Returns how messages are written to standard error; `level` is the one set in code, which the environment
    /// overrides.
    pub(crate) fn stderr(&self, level: Option<Level>) -> Stderr {
        let level = self.log.unwrap_or(level.or(Stderr::default().level));
        Stderr { level, prefix: !self.lambda }
    }
}

/// Returns a variable of this process, if it is set and not empty. For parts that are created before the recorder.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|value| trimmed(value.to_string_lossy().into_owned()))
}

/// Returns a value without surrounding white space, unless nothing is left.
fn trimmed(value: String) -> Option<String> {
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Parses a switch, ignoring case. Returns `None` for any other word.
fn parse_switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "t" | "y" => Some(true),
        "0" | "false" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
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
    fn either_switch_turns_the_sdk_off_and_off_takes_precedence() {
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
    fn debug_mode_overrides_the_log_level() {
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
    fn an_invalid_value_is_reported_with_its_variable_and_leaves_the_default() {
        for name in [
            "AWS_XRAY_DAEMON_ADDRESS",
            "AWS_XRAY_CONTEXT_MISSING",
            "AWS_XRAY_LOG_LEVEL",
            "AWS_XRAY_SDK_ENABLED",
            "AWS_XRAY_SDK_DISABLED",
            "AWS_XRAY_DEBUG_MODE",
            "AWS_XRAY_COLLECT_SQL_QUERIES",
        ] {
            for value in ["nonsense", "ture", "2", "enabled", "\u{1}"] {
                let read = environment(&[(name, value)]);
                let [problem] = &read.problems[..] else { panic!("{:?}", read.problems) };
                assert!(problem.to_string().starts_with(&format!("{name}={value:?} is not understood (")), "{problem}");
                assert!(read.daemon.is_none());
                assert!(
                    read.context_missing.is_none()
                        && !read.disabled
                        && read.log.is_none()
                        && read.collect_sql.is_none()
                );
            }
        }
    }
}
