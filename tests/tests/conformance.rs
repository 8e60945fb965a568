//! Runs the conformance program on the vectors and goldens of the workspace.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(what: &str, directory: &Path) -> (bool, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_conformance")).arg(what).arg(directory).output().expect("the program starts");
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.success(), text)
}

fn assert_all_pass(what: &str, directory: &str) {
    let (success, text) = run(what, &Path::new(env!("CARGO_MANIFEST_DIR")).join(directory));
    assert!(success, "{text}");
    let sum = text.lines().last().expect("a line with the totals");
    let (passed, rest) = sum.split_once(" passed, ").expect("the last line has only the totals");
    assert!(passed.parse::<usize>().is_ok_and(|passed| passed > 0) && rest == "0 failed", "{sum}");
}

#[test]
fn all_vectors_pass() {
    assert_all_pass("vectors", "vectors");
}

#[test]
fn all_goldens_pass() {
    assert_all_pass("golden", "golden");
}

/// Creates a directory with one file.
fn with_file(name: &str, json: &str) -> tempdir::Directory {
    let directory = tempdir::Directory::new();
    fs::write(directory.path().join(name), json).expect("the directory is ours");
    directory
}

#[test]
fn an_invalid_or_failing_file_fails_the_run() {
    let case = r#"{"cases":[{"status":404,"expected":{"error":false,"fault":false,"throttle":false}}]}"#;
    for (what, name, json, line) in [
        ("vectors", "status_flags.json", case, "status_flags: 0 passed, 1 failed"),
        ("vectors", "half_life.json", case, "half_life: unknown file name"),
        ("golden", "x.json", r#"{"kind":"dance","input":{},"datagrams":[]}"#, "x: 0 passed, 1 failed"),
        (
            "golden",
            "x.json",
            r#"{"kind":"steps","input":{"steps":[{"op":"moonwalk"}]},"datagrams":[]}"#,
            "x: 0 passed, 1 failed",
        ),
        (
            "golden",
            "x.json",
            r#"{"kind":"steps","input":{"steps":[{"op":"close","on":"s"}]},"datagrams":[]}"#,
            "x: 0 passed, 1 failed",
        ),
    ] {
        let directory = with_file(name, json);
        let (success, text) = run(what, directory.path());
        assert!(!success && text.lines().any(|printed| printed == line), "{name}:\n{text}");
    }
}

/// Temporary directories, removed on drop.
mod tempdir {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    pub(crate) struct Directory(PathBuf);

    impl Directory {
        pub(crate) fn new() -> Directory {
            static MADE: AtomicUsize = AtomicUsize::new(0);
            let name = format!("conformance-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            fs::create_dir_all(&path).expect("the target directory can be written");
            Directory(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
