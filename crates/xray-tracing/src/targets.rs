//! Targets whose spans and events are not recorded.

/// Libraries whose calls the SDK's own adapters record, or whose spans describe their inner workings.
const IGNORED: [&str; 8] =
    ["h2", "hyper", "hyper_util", "lambda_runtime", "reqwest_middleware", "rustls", "tower", "tower_http"];
/// Beginnings of crate names: the SDK itself, and the crates of the AWS SDK.
const IGNORED_BEGINNINGS: [&str; 2] = ["xray", "aws_"];

/// Drivers of databases.
const DRIVERS: [&str; 4] = ["mongodb", "mysql_async", "sea_orm", "sqlx"];

/// Whether a target is a driver of databases, or in one.
pub(crate) fn is_driver(target: &str) -> bool {
    DRIVERS.iter().any(|driver| is_in(target, driver))
}

/// Whether a target is a module, or in it.
fn is_in(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The targets that the layer ignores.
#[derive(Debug, Default)]
pub(crate) struct Ignored {
    added: Vec<Box<str>>,
}

impl Ignored {
    pub(crate) fn add(&mut self, target: String) {
        self.added.push(target.into());
    }

    /// Whether a target is one of them or in one of them: `sqlx` covers `sqlx::query` and not `sqlx_events`.
    pub(crate) fn covers(&self, target: &str) -> bool {
        IGNORED_BEGINNINGS.iter().any(|beginning| target.starts_with(beginning))
            || IGNORED.iter().any(|module| is_in(target, module))
            || self.added.iter().any(|module| is_in(target, module))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_compared_by_modules() {
        let mut ignored = Ignored::default();
        ignored.add("sqlx".to_owned());
        for (target, covers) in [
            ("sqlx", true),
            ("sqlx::query", true),
            ("sqlx_events", false),
            ("hyper::client", true),
            ("hyperion", false),
            ("xray", true),
            ("xray_core::emit", true),
            ("aws_sdk_s3::operation", true),
            ("shop", false),
            ("", false),
        ] {
            assert_eq!(ignored.covers(target), covers, "{target}");
        }
    }
}
