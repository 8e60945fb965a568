//! Checks the SDK from outside: `conformance vectors DIR` and `conformance golden DIR`.
//!
//! Prints `NAME: N passed, M failed` for each `*.json` file of the directory, and the totals at the end.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use xray_tests::report::Report;
use xray_tests::{checks, scenario, vectors};

const USAGE: &str = "usage: conformance vectors|golden DIR";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    let [what @ ("vectors" | "golden"), directory] = arguments else { return Err(USAGE.into()) };
    let files = vectors::load(Path::new(directory))?;
    // Standard output is not locked, because the panic of a case is printed on the same terminal.
    let mut report = Report::new(io::stdout());
    match *what {
        "vectors" => vectors::run(&files, checks::of, &mut report)?,
        _ => scenario::run(&files, &mut report)?,
    }
    let (mut out, code) = report.finish()?;
    out.flush()?;
    Ok(code)
}
