//! Reads Lambda's environment variables, and announces the SDK to Lambda.

use std::borrow::Cow;
use std::env::{var, var_os};
use std::fs::{File, create_dir_all};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use lambda_runtime::Context;

/// The file by which an X-Ray SDK announces itself.
const INITIALIZED: &str = "/tmp/.aws-xray/initialized";

/// The environment, read once. The exception is the trace header, which the runtime sets for each invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Platform {
    on_lambda: bool,
    /// Several invocations run at a time, so no variable of the process belongs to any one of them.
    concurrent: bool,
    /// The first invocation comes right after the init phase.
    on_demand: bool,
}

impl Platform {
    pub(crate) fn read() -> Platform {
        let is_set = |name| var_os(name).is_some_and(|value| !value.is_empty());
        let initialization = var("AWS_LAMBDA_INITIALIZATION_TYPE").unwrap_or_default();
        Platform {
            on_lambda: is_set("LAMBDA_TASK_ROOT"),
            concurrent: is_set("AWS_LAMBDA_MAX_CONCURRENCY"),
            on_demand: matches!(initialization.as_str(), "" | "on-demand"),
        }
    }

    /// Whether the first invocation waits for the init phase.
    pub(crate) fn waits_for_init(self) -> bool {
        self.on_demand
    }

    /// Returns the trace header of an invocation, from its context or else from the environment. Empty if there is none.
    pub(crate) fn trace_header(self, context: Option<&Context>) -> Cow<'_, str> {
        let own = context.and_then(|context| context.xray_trace_id.as_deref()).filter(|text| !text.trim().is_empty());
        match own {
            Some(own) => Cow::Borrowed(own),
            None if self.concurrent => Cow::Borrowed(""),
            None => var("_X_AMZN_TRACE_ID").map_or(Cow::Borrowed(""), Cow::Owned),
        }
    }

    /// Announces the X-Ray SDK to Lambda, as the other SDKs do. Tracing works without it.
    pub(crate) fn announce_sdk(self) {
        if self.on_lambda
            && let Err(error) = touch(Path::new(INITIALIZED))
        {
            log::debug!(target: "xray", "cannot write {INITIALIZED}: {error}; tracing works without it");
        }
    }
}

/// Creates the file and its directory if necessary, and sets its modification time to now.
fn touch(file: &Path) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        create_dir_all(directory)?;
    }
    File::options().create(true).append(true).open(file)?.set_modified(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_creates_a_file_and_renews_its_time() {
        let directory = std::env::temp_dir().join(format!("xray-lambda-{}", std::process::id()));
        let file = directory.join("deep").join("initialized");
        touch(&file).unwrap();
        let old = SystemTime::UNIX_EPOCH;
        File::options().append(true).open(&file).unwrap().set_modified(old).unwrap();
        touch(&file).unwrap();
        assert!(file.metadata().unwrap().modified().unwrap() > old);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn in_concurrent_mode_the_variable_is_ignored() {
        let platform = Platform { on_lambda: false, concurrent: true, on_demand: true };
        let mut context = Context::default();
        assert_eq!(platform.trace_header(Some(&context)), "");
        assert_eq!(platform.trace_header(None), "");
        context.xray_trace_id = Some(" ".into());
        assert_eq!(platform.trace_header(Some(&context)), "");
        context.xray_trace_id = Some("Root=1".into());
        assert_eq!(platform.trace_header(Some(&context)), "Root=1");
    }
}
