//! Directories of JSON cases, the input of the conformance program.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::diff;
use crate::report::Report;

/// A JSON file in a directory.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct File {
    /// Its name without `.json`.
    pub stem: String,
    /// Its content.
    pub json: Value,
}

/// Runs one case.
pub type Check = fn(&Value) -> Verdict;

/// The actual and the expected result of a case.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// The actual result.
    pub got: Value,
    /// The expected result.
    pub wanted: Value,
}

impl Verdict {
    /// Creates a verdict, which passes if both results are equal.
    pub fn new(got: impl Into<Value>, wanted: impl Into<Value>) -> Verdict {
        Verdict { got: got.into(), wanted: wanted.into() }
    }

    /// Whether both results are equal.
    pub fn passed(&self) -> bool {
        diff::diff(&self.wanted, &self.got).is_empty()
    }
}

/// The error when a directory cannot be read.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    problem: io::Error,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}

/// Loads every `*.json` file of a directory, sorted by name.
///
/// # Errors
/// Returns an error if the directory or a file cannot be read, or if a file is not JSON.
pub fn load(directory: &Path) -> Result<Vec<File>, LoadError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |problem| LoadError { path, problem }
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let path = entry.map_err(at(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| read(&path).map_err(at(&path))).collect()
}

fn read(path: &Path) -> io::Result<File> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(File { stem, json: serde_json::from_slice(&fs::read(path)?)? })
}

/// Runs the `cases` of every file with the check that `checks` returns for its name, and reports the results.
///
/// A check that panics fails its case. A file without a check, or without cases, fails the run.
///
/// # Errors
/// Returns an error if the report cannot be written.
pub fn run<W: Write>(files: &[File], checks: impl Fn(&str) -> Option<Check>, report: &mut Report<W>) -> io::Result<()> {
    for File { stem, json } in files {
        match (checks(stem), json["cases"].as_array()) {
            (None, _) => report.unusable(stem, "unknown file name")?,
            (_, None) => report.unusable(stem, "no cases")?,
            (Some(check), Some(cases)) => {
                report.file(stem, cases.iter().map(|case| outcome(case, check)))?;
            }
        }
    }
    Ok(())
}

/// Runs a case.
///
/// # Errors
/// Returns the case with its actual and expected results, on one line.
fn outcome(case: &Value, check: Check) -> Result<(), String> {
    let verdict = panic::catch_unwind(AssertUnwindSafe(|| check(case)));
    match verdict {
        Ok(verdict) if verdict.passed() => Ok(()),
        Ok(Verdict { got, wanted }) => Err(format!("{case}: got {got}, wanted {wanted}")),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
            let got = format!("panic: {}", text.unwrap_or("no text")).escape_debug().to_string();
            Err(format!("{case}: got {got}, wanted {}", case["expected"]))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_vector_file_is_loaded() {
        let files = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")).unwrap();
        let stems: Vec<_> = files.iter().map(|file| file.stem.as_str()).collect();
        assert_eq!(
            stems,
            [
                "aws_param_snake_case",
                "client_ip",
                "daemon_address",
                "error_text",
                "naming",
                "sampling_central",
                "sampling_local",
                "segment_name_sanitise",
                "sql_query",
                "sql_url",
                "status_flags",
                "trace_header",
                "wildcard",
            ]
        );
        assert!(files.iter().all(|file| file.json["cases"].as_array().is_some_and(|cases| !cases.is_empty())));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        assert!(load(Path::new("/no/such/place")).unwrap_err().to_string().starts_with("/no/such/place: "));
    }

    #[test]
    fn failures_show_the_actual_and_the_expected_result() {
        fn double(case: &Value) -> Verdict {
            let n = case["n"].as_u64().expect("a number");
            Verdict::new(2 * n, case["expected"].clone())
        }
        let file = |stem: &str, cases: Value| File { stem: stem.to_owned(), json: json!({"cases": cases}) };
        let files = [
            file("double", json!([{"n": 1, "expected": 2}, {"n": 2, "expected": 5}, {"n": "x", "expected": 0}])),
            file("half", json!([])),
        ];
        let mut report = Report::new(Vec::new());
        run(&files, |stem| (stem == "double").then_some(double as Check), &mut report).unwrap();
        let text = String::from_utf8(report.finish().unwrap().0).unwrap();
        assert_eq!(
            text,
            "double: 1 passed, 2 failed\n\
             \x20 {\"expected\":5,\"n\":2}: got 4, wanted 5\n\
             \x20 {\"expected\":0,\"n\":\"x\"}: got panic: a number, wanted 0\n\
             half: unknown file name\n\
             1 passed, 2 failed\n"
        );
    }
}
