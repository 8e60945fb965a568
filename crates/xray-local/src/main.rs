//! `xray-local`: receives the traces that programs on this machine send, and shows them in the browser and the terminal.

mod cli {
    pub(crate) mod args;
    pub(crate) mod client;
    pub(crate) mod queries;
    pub(crate) mod serve;
}

use std::io::{self, Write};
use std::process::ExitCode;

use cli::args::{Command, USAGE};
use cli::{queries, serve};

/// The exit code for arguments that cannot be used.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    match Command::parse(std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(Command::Help) => print(USAGE),
        Ok(Command::Version) => print(concat!("xray-local ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Serve(options)) => serve::run(*options),
        Ok(Command::Query(query)) => queries::run(&query),
        Err(error) => {
            eprintln!("xray-local: {error}\n\nTry 'xray-local --help'.");
            ExitCode::from(USAGE_ERROR)
        }
    }
}

fn print(text: &str) -> ExitCode {
    // Unlike `print!`, this does not panic when the reader has closed the pipe.
    ExitCode::from(u8::from(io::stdout().write_all(text.as_bytes()).is_err()))
}
