//! `xray-local`: prints the traces that programs on this machine send as waterfalls, and serves sampling rules to them.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use xray_local::{Receiver, SamplingEvent, SamplingRules, Style, printer};

const USAGE: &str = "\
Shows AWS X-Ray traces in the terminal while you develop. Replaces the X-Ray daemon.

Usage: xray-local [OPTIONS]

Options:
      --listen <ADDRESS>    Address for documents (UDP) and sampling calls (TCP)
                            [default: 127.0.0.1:2000]
      --rules <FILE>        Sampling rules to serve, as printed by `aws xray get-sampling-rules`;
                            reloaded when the file changes [default: X-Ray's default rule]
      --show-sampling       Print the sampling reports of SDKs and the targets they receive
      --no-color            Disable colour [default if NO_COLOR is set or the output is not a
                            terminal]
      --width <COLUMNS>     Width of a waterfall in columns [default: COLUMNS, or 100]
      --max-memory <SIZE>   Memory for traces, such as 512K, 64M or 1G [default: 64M]
  -h, --help                Print this help
  -V, --version             Print the version
";

fn main() -> ExitCode {
    match Command::parse(std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(Command::Help) => print(USAGE),
        Ok(Command::Version) => print(concat!("xray-local ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Run(options)) => run(&options),
        Err(error) => {
            eprintln!("xray-local: {error}\n\nTry 'xray-local --help'.");
            ExitCode::from(2)
        }
    }
}

fn print(text: &str) -> ExitCode {
    // Unlike `print!`, this does not panic when the reader has closed the pipe.
    ExitCode::from(u8::from(io::stdout().write_all(text.as_bytes()).is_err()))
}

fn run(options: &Options) -> ExitCode {
    let mut style = Style::detect(&io::stdout());
    if options.no_color {
        style = style.with_color(false);
    }
    if let Some(width) = options.width {
        style = style.with_width(width);
    }
    let mut builder = Receiver::builder().on_trace(printer(io::stdout(), style));
    if let Some(file) = &options.rules {
        match SamplingRules::from_file(file) {
            Ok(rules) => builder = builder.rules(rules),
            Err(error) => {
                eprintln!("xray-local: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    let show_sampling = options.show_sampling;
    builder = builder.on_sampling(move |event| match event {
        SamplingEvent::Reported(_) if !show_sampling => {}
        // On standard error, so that standard output contains only traces and can be redirected to a file.
        _ => eprintln!("sampling: {event}"),
    });
    if let Some(memory) = options.memory {
        builder = builder.memory(memory);
    }
    let receiver = match builder.bind(options.listen) {
        Ok(receiver) => receiver,
        Err(error) => {
            eprintln!("xray-local: cannot listen on {}: {error}", options.listen);
            if error.kind() == io::ErrorKind::AddrInUse {
                eprintln!("{}", port_in_use(options.listen));
            }
            return ExitCode::FAILURE;
        }
    };
    eprintln!("{}", greeting(receiver.address()));
    // Ctrl-C ends the process by its default action: there is nothing to save.
    loop {
        thread::park();
    }
}

fn greeting(address: SocketAddr) -> String {
    let daemon = reachable(address);
    let default = if daemon == DEFAULT { " (the default of most SDKs)" } else { "" };
    format!(
        "Listening for X-Ray documents and sampling calls on {address}.\nIn the program to trace, set{default}:\n\n    \
         AWS_XRAY_DAEMON_ADDRESS={daemon}\n\nPress Ctrl-C to stop."
    )
}

fn port_in_use(address: SocketAddr) -> String {
    let other = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(2000));
    format!(
        "The X-Ray daemon or another xray-local is probably using this port. Stop it, or use another port:\n\n    \
         xray-local --listen {other}\n\nand set AWS_XRAY_DAEMON_ADDRESS={} in the program to trace.",
        reachable(other)
    )
}

/// An address that programs can send to: replaces an unspecified IP address with loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), v6.port())
        }
        address => address,
    }
}

const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2000);

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Run(Options),
    Help,
    Version,
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    listen: SocketAddr,
    rules: Option<PathBuf>,
    show_sampling: bool,
    no_color: bool,
    width: Option<usize>,
    memory: Option<usize>,
}

impl Default for Options {
    fn default() -> Options {
        Options { listen: DEFAULT, rules: None, show_sampling: false, no_color: false, width: None, memory: None }
    }
}

impl Command {
    fn parse(args: impl Iterator<Item = String>) -> Result<Command, String> {
        let mut options = Options::default();
        let mut args = args;
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            let flag = matches!(name, "-h" | "--help" | "-V" | "--version" | "--no-color" | "--show-sampling");
            if flag && inline.is_some() {
                return Err(format!("{name} takes no value"));
            }
            let mut value = || inline.clone().or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"));
            match name {
                "-h" | "--help" => return Ok(Command::Help),
                "-V" | "--version" => return Ok(Command::Version),
                "--no-color" => options.no_color = true,
                "--rules" => options.rules = Some(value()?.into()),
                "--show-sampling" => options.show_sampling = true,
                "--listen" => options.listen = address(&value()?)?,
                "--width" => options.width = Some(width(&value()?)?),
                "--max-memory" => options.memory = Some(size(&value()?)?),
                _ => return Err(format!("unknown argument '{arg}'")),
            }
        }
        Ok(Command::Run(options))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    // The only supported name: any other would need a resolver.
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = numeric.as_deref().unwrap_or(text).parse();
    address.map_err(|_| format!("'{text}' is not an address; expected something like 127.0.0.1:2000"))
}

fn width(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number of columns"))
}

fn size(text: &str) -> Result<usize, String> {
    let error = || format!("'{text}' is not a size; expected something like 512K, 64M or 1G");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: usize = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err(error()),
    };
    digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Command, String> {
        Command::parse(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_become_options() {
        let run = |options: Options| Ok(Command::Run(options));
        let listen = |address: &str| Options { listen: address.parse().unwrap(), ..Options::default() };
        for (args, want) in [
            ("", run(listen("127.0.0.1:2000"))),
            ("--listen 0.0.0.0:3000 --no-color", run(Options { no_color: true, ..listen("0.0.0.0:3000") })),
            ("--listen=localhost:1 --width=120", run(Options { width: Some(120), ..listen("127.0.0.1:1") })),
            ("--max-memory 64M", run(Options { memory: Some(64 << 20), ..Options::default() })),
            ("--max-memory 1gib", run(Options { memory: Some(1 << 30), ..Options::default() })),
            ("--rules a/b.json", run(Options { rules: Some("a/b.json".into()), ..Options::default() })),
            ("--show-sampling", run(Options { show_sampling: true, ..Options::default() })),
            ("--width 80 -h", Ok(Command::Help)),
            ("--version", Ok(Command::Version)),
        ] {
            assert_eq!(parse(args), want, "{args}");
        }
    }

    #[test]
    fn errors_name_the_wrong_argument() {
        for (args, want) in [
            ("--listen", "--listen needs a value"),
            ("--listen 2000", "'2000' is not an address; expected something like 127.0.0.1:2000"),
            ("--width wide", "'wide' is not a number of columns"),
            ("--max-memory 64X", "'64X' is not a size; expected something like 512K, 64M or 1G"),
            ("--max-memory M", "'M' is not a size; expected something like 512K, 64M or 1G"),
            ("--max-memory 99999999999G", "'99999999999G' is not a size; expected something like 512K, 64M or 1G"),
            ("--no-color=yes", "--no-color takes no value"),
            ("--rules", "--rules needs a value"),
            ("--verbose", "unknown argument '--verbose'"),
            ("file", "unknown argument 'file'"),
        ] {
            assert_eq!(parse(args), Err(want.to_owned()), "{args}");
        }
    }

    #[test]
    fn a_port_in_use_is_reported_with_an_alternative() {
        let advice = port_in_use(DEFAULT);
        assert!(
            advice.contains("--listen 127.0.0.1:2001") && advice.contains("AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2001")
        );
        assert!(greeting("0.0.0.0:2000".parse().unwrap()).contains("AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000"));
    }
}
