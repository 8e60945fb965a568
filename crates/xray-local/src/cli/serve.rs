//! The program itself: starts a receiver and waits for a signal.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use xray_local::{Receiver, ReceiverBuilder, SamplingEvent, SamplingRules, Style, printer};

use super::args::{DEFAULT, Options};

pub(crate) fn run(options: Options) -> ExitCode {
    let builder = match builder(&options) {
        Ok(builder) => builder,
        Err(error) => {
            eprintln!("xray-local: {error}");
            return ExitCode::FAILURE;
        }
    };
    let receiver = match builder.bind(options.listen) {
        Ok(receiver) => receiver,
        Err(error) => {
            match &options.store {
                Some(file) if error.kind() != io::ErrorKind::AddrInUse => {
                    eprintln!("xray-local: cannot start on {} with {}: {error}", options.listen, file.display());
                }
                _ => eprintln!("xray-local: cannot listen on {}: {error}", options.listen),
            }
            if error.kind() == io::ErrorKind::AddrInUse {
                eprintln!("{}", port_in_use(options.listen));
            }
            return ExitCode::FAILURE;
        }
    };
    // Before anyone knows that the program runs, and may end it.
    let signals = Signals::listen();
    eprintln!("{}", greeting(receiver.address(), &receiver.page()));
    if let Some(hint) = small_buffer(receiver.receive_buffer()) {
        eprintln!("{hint}");
    }
    if options.ready_json {
        let line = serde_json::json!({ "address": receiver.address().to_string(), "pid": std::process::id() });
        // A reader that has gone does not wait for the line.
        _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
    }
    if options.open {
        open(&receiver.page());
    }
    match signals {
        Ok(signals) => signals.wait(),
        Err(error) => {
            eprintln!("xray-local: cannot wait for signals, so Ctrl-C ends the program at once: {error}");
            loop {
                std::thread::park();
            }
        }
    }
    // Reads what has been sent, prints what still waits, and writes the store file.
    drop(receiver);
    ExitCode::SUCCESS
}

fn builder(options: &Options) -> Result<ReceiverBuilder, Box<dyn std::error::Error>> {
    let mut builder = Receiver::builder();
    if options.follow {
        let style = style(options.no_color, options.width);
        builder = builder.on_trace(printer(io::stdout(), style));
    }
    if let Some(file) = &options.rules {
        builder = builder.rules(SamplingRules::from_file(file)?.write_back(options.rules_write));
    }
    builder = builder.strict(options.strict);
    let show_sampling = options.show_sampling;
    builder = builder.on_sampling(move |event| match event {
        SamplingEvent::Reported(_) if !show_sampling => {}
        // On standard error, so that standard output contains only traces and can be redirected to a file.
        _ => eprintln!("sampling: {event}"),
    });
    if let Some(file) = &options.store {
        builder = builder.store_file(file);
    }
    if let Some(bytes) = options.max_store {
        builder = builder.max_store(bytes);
    }
    if let Some(age) = options.max_age {
        builder = builder.max_age(age);
    }
    if let Some(memory) = options.memory {
        builder = builder.memory(memory);
    }
    if let Some(traces) = options.max_traces {
        builder = builder.max_traces(traces);
    }
    if let Some(folder) = &options.ui {
        builder = builder.ui(folder);
    }
    for target in &options.forward {
        builder = match target.contains("://") {
            true => builder.forward_otlp(target),
            false => builder.forward(daemon(target)?),
        };
    }
    for host in &options.hosts {
        builder = builder.allow_host(host);
    }
    Ok(builder)
}

/// Resolves the target of `--forward`.
fn daemon(target: &str) -> Result<SocketAddr, String> {
    let address = target.strip_prefix("udp:").unwrap_or(target);
    let resolved = address.to_socket_addrs().map_err(|error| error.to_string());
    let first = resolved.and_then(|mut addresses| addresses.next().ok_or("it has no address".to_owned()));
    first.map_err(|error| format!("cannot forward to '{target}': {error}; expected udp:HOST:PORT or http://HOST:PORT"))
}

/// Returns the style of waterfalls on standard output.
pub(crate) fn style(no_color: bool, width: Option<usize>) -> Style {
    let mut style = Style::detect(&io::stdout());
    if no_color {
        style = style.with_color(false);
    }
    width.map_or(style.clone(), |width| style.with_width(width))
}

/// Ctrl-C and, on Unix, SIGTERM.
struct Signals {
    runtime: tokio::runtime::Runtime,
    #[cfg(unix)]
    streams: [tokio::signal::unix::Signal; 2],
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        #[cfg(unix)]
        let streams = {
            use tokio::signal::unix::{SignalKind, signal};
            let _entered = runtime.enter();
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]
        };
        Ok(Signals {
            runtime,
            #[cfg(unix)]
            streams,
        })
    }

    /// Waits for the first signal.
    #[cfg(unix)]
    fn wait(self) {
        let Signals { runtime, streams: [mut interrupt, mut terminate] } = self;
        let first = futures_util::future::select(Box::pin(interrupt.recv()), Box::pin(terminate.recv()));
        _ = runtime.block_on(first);
    }

    /// Waits for the first signal.
    #[cfg(not(unix))]
    fn wait(self) {
        _ = self.runtime.block_on(tokio::signal::ctrl_c());
    }
}

/// Opens a page in the browser.
fn open(page: &str) {
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else {
        ("xdg-open", &[])
    };
    let quiet = std::process::Stdio::null;
    let started = std::process::Command::new(program).args(arguments).arg(page).stdout(quiet()).stderr(quiet()).spawn();
    if let Err(error) = started {
        eprintln!("xray-local: cannot open the browser with {program}: {error}");
    }
}

fn greeting(address: SocketAddr, page: &str) -> String {
    let daemon = reachable(address);
    let default = if daemon == DEFAULT { "  (the default of most SDKs)" } else { "" };
    let reach = if address.ip().is_loopback() {
        "Reachable from this machine only."
    } else {
        "Reachable from other machines, without any protection."
    };
    format!(
        "Traces are shown at {page}\n\nIn the program to trace:\n\n    AWS_XRAY_DAEMON_ADDRESS={daemon}{default}\n\n\
         For the AWS CLI and SDKs that read traces:\n\n    AWS_ENDPOINT_URL_XRAY=http://{daemon}\n\n{reach} Press \
         Ctrl-C to stop."
    )
}

/// Says what helps if the system limits the socket's buffer to less than the receiver wants.
fn small_buffer(bytes: usize) -> Option<String> {
    const WANTED: usize = 4 << 20;
    let help = if cfg!(target_os = "linux") { ": sysctl -w net.core.rmem_max=4194304 permits more" } else { "" };
    (bytes < WANTED).then(|| {
        format!("The system limits the UDP receive buffer to {} KiB, so bursts may lose documents{help}.", bytes >> 10)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_reported_with_an_alternative() {
        let advice = port_in_use(DEFAULT);
        assert!(
            advice.contains("--listen 127.0.0.1:2001") && advice.contains("AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2001")
        );
    }

    #[test]
    fn a_small_buffer_is_reported() {
        assert_eq!(small_buffer(4 << 20), None);
        assert!(small_buffer(212_992).unwrap().contains("limits the UDP receive buffer to 208 KiB"));
    }

    #[test]
    fn the_greeting_has_the_addresses_to_copy() {
        let greeting = greeting("0.0.0.0:2000".parse().unwrap(), "http://127.0.0.1:2000");
        for text in [
            "http://127.0.0.1:2000\n",
            "AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000",
            "AWS_ENDPOINT_URL_XRAY=http://127.0.0.1:2000",
            "without any protection",
        ] {
            assert!(greeting.contains(text), "{greeting}");
        }
    }
}
