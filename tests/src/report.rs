//! The results as the conformance program prints them.

use std::io::{self, Write};
use std::process::ExitCode;

/// Counts results and writes them file by file.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    passed: usize,
    failed: usize,
    unusable: usize,
}

impl<W: Write> Report<W> {
    /// Creates a report that writes to `out`.
    pub fn new(out: W) -> Report<W> {
        Report { out, passed: 0, failed: 0, unusable: 0 }
    }

    /// Writes `NAME: N passed, M failed`, then a line for each failure.
    ///
    /// # Errors
    /// Returns an error if the report cannot be written.
    pub fn file(&mut self, name: &str, outcomes: impl IntoIterator<Item = Result<(), String>>) -> io::Result<()> {
        let (mut passed, mut failures) = (0, Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(()) => passed += 1,
                Err(failure) => failures.push(failure),
            }
        }
        writeln!(self.out, "{name}: {passed} passed, {} failed", failures.len())?;
        for failure in &failures {
            self.note(failure)?;
        }
        self.passed += passed;
        self.failed += failures.len();
        Ok(())
    }

    /// Writes an indented line that does not affect the counts.
    ///
    /// # Errors
    /// Returns an error if the report cannot be written.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "  {}", text.replace('\n', " "))
    }

    /// Writes why a file is unusable. This fails the run even if no case has failed.
    ///
    /// # Errors
    /// Returns an error if the report cannot be written.
    pub fn unusable(&mut self, name: &str, why: &str) -> io::Result<()> {
        self.unusable += 1;
        writeln!(self.out, "{name}: {why}")
    }

    /// Writes the totals and returns the exit code of the program, which is 1 if anything failed.
    ///
    /// # Errors
    /// Returns an error if the report cannot be written.
    pub fn finish(mut self) -> io::Result<(W, ExitCode)> {
        writeln!(self.out, "{} passed, {} failed", self.passed, self.failed)?;
        self.out.flush()?;
        let code = if self.failed + self.unusable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        Ok((self.out, code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_with(code: ExitCode, of: impl Fn(&mut Report<Vec<u8>>)) -> bool {
        let mut report = Report::new(Vec::new());
        of(&mut report);
        report.finish().unwrap().1 == code
    }

    #[test]
    fn any_failure_fails_the_run() {
        assert!(ends_with(ExitCode::SUCCESS, |report| report.file("a", [Ok(())]).unwrap()));
        assert!(ends_with(ExitCode::FAILURE, |report| report.file("a", [Ok(()), Err("x".to_owned())]).unwrap()));
        assert!(ends_with(ExitCode::FAILURE, |report| report.unusable("a", "unknown file name").unwrap()));
    }

    #[test]
    fn a_failure_is_one_line() {
        let mut report = Report::new(Vec::new());
        report.file("a", [Err("x\ny".to_owned())]).unwrap();
        assert_eq!(report.finish().unwrap().0, b"a: 0 passed, 1 failed\n  x y\n0 passed, 1 failed\n");
    }
}
