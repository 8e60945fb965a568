//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
Shows AWS X-Ray traces in the browser and the terminal while you develop. Replaces the X-Ray daemon
and serves the X-Ray API.

Usage: xray-local [OPTIONS]
       xray-local list [--filter EXPRESSION] [--since 15m] [--limit N] [--json]
       xray-local show ID [--json | --raw | --html FILE]
       xray-local export [--filter EXPRESSION] > traces.jsonl
       xray-local import FILE

Options:
      --listen <ADDRESS>     Address for documents (UDP), the page and calls (TCP)
                             [default: 127.0.0.1:2000]
      --open                 Open the page in the browser
      --follow               Print each finished trace as a waterfall
      --rules <FILE>         Sampling rules to serve, as printed by `aws xray get-sampling-rules`;
                             reloaded when the file changes [default: X-Ray's default rule]
      --rules-write          Write rules that are edited by the API or on the page to the rules file
      --strict               Apply the limits of the X-Ray service to calls of its API
      --show-sampling        Print the sampling reports of SDKs and the targets they receive
      --store <FILE>         Keep traces in this file, also for the next start
      --max-memory <SIZE>    Memory for traces, such as 512K, 64M or 1G [default: 64M]
      --max-traces <NUMBER>  Traces to keep [default: 100000]
      --max-store <SIZE>     Size of the store file [default: 1G]
      --max-age <TIME>       Age of traces to keep in the store file, such as 12h or 7d
                             [default: no limit]
      --forward <TARGET>     Also send documents to a daemon (udp:HOST:PORT) or, as spans, to an
                             OTLP receiver (http://HOST:4318); may be given once for each
      --allow-host <NAME>    Accept requests for this host name besides localhost; may be repeated
      --ready-json           Print {\"address\":…,\"pid\":…} to standard output when ready
      --no-color             Disable colour [default if NO_COLOR is set or the output is not a
                             terminal]
      --width <COLUMNS>      Width of a waterfall in columns [default: COLUMNS, or 100]
      --ui <FOLDER>          Serve the page's files from a folder, to develop the page
  -h, --help                 Print this help
  -V, --version              Print the version

list, show, export and import ask the running program at the address in XRAY_LOCAL [default:
127.0.0.1:2000]. With --store FILE they open the file if no program runs.

Exit codes: 0 success, 1 nothing found or failed, 2 invalid arguments, 3 no program runs.
";

/// What the arguments ask for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Serve(Box<Options>),
    Query(Query),
    Help,
    Version,
}

/// The options of the program itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) open: bool,
    pub(crate) follow: bool,
    pub(crate) rules: Option<PathBuf>,
    pub(crate) rules_write: bool,
    pub(crate) strict: bool,
    pub(crate) show_sampling: bool,
    pub(crate) store: Option<PathBuf>,
    pub(crate) memory: Option<usize>,
    pub(crate) max_traces: Option<usize>,
    pub(crate) max_store: Option<u64>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) forward: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) ready_json: bool,
    pub(crate) no_color: bool,
    pub(crate) width: Option<usize>,
    pub(crate) ui: Option<PathBuf>,
}

/// A question to the running program.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) action: Action,
    pub(crate) filter: String,
    /// As in `timeRange`.
    pub(crate) since: String,
    pub(crate) limit: usize,
    pub(crate) form: Form,
    pub(crate) store: Option<PathBuf>,
    pub(crate) no_color: bool,
    pub(crate) width: Option<usize>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    List,
    Show(String),
    Export,
    Import(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
    Raw,
    Html(PathBuf),
}

pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2000);

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: DEFAULT,
            open: false,
            follow: false,
            rules: None,
            rules_write: false,
            strict: false,
            show_sampling: false,
            store: None,
            memory: None,
            max_traces: None,
            max_store: None,
            max_age: None,
            forward: Vec::new(),
            hosts: Vec::new(),
            ready_json: false,
            no_color: false,
            width: None,
            ui: None,
        }
    }
}

impl Query {
    pub(crate) fn new(action: Action) -> Query {
        Query {
            action,
            filter: String::new(),
            since: String::new(),
            limit: 50,
            form: Form::Text,
            store: None,
            no_color: false,
            width: None,
        }
    }
}

/// Arguments, one after the other.
struct Arguments<I> {
    rest: I,
    /// The value in `--name=value`.
    inline: Option<String>,
    name: String,
}

impl<I: Iterator<Item = String>> Arguments<I> {
    /// Moves to the next argument. Returns false after the last one.
    fn next(&mut self) -> bool {
        let Some(argument) = self.rest.next() else { return false };
        (self.name, self.inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (argument, None),
        };
        true
    }

    /// Returns the value of the current option.
    fn value(&mut self) -> Result<String, String> {
        self.inline.take().or_else(|| self.rest.next()).ok_or_else(|| format!("{} needs a value", self.name))
    }

    /// Returns true for an option without a value.
    fn flag(&self) -> Result<bool, String> {
        if self.inline.is_some() { Err(format!("{} takes no value", self.name)) } else { Ok(true) }
    }

    fn unknown(&self) -> String {
        match &self.inline {
            Some(value) => format!("unknown argument '{}={value}'", self.name),
            None => format!("unknown argument '{}'", self.name),
        }
    }
}

impl Command {
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Command, String> {
        let mut args = Arguments { rest: args, inline: None, name: String::new() };
        if !args.next() {
            return Ok(Command::Serve(Box::default()));
        }
        let action = match args.name.as_str() {
            "list" => Action::List,
            "export" => Action::Export,
            "show" => Action::Show(args.rest.next().ok_or("show needs the id of a trace")?),
            "import" => Action::Import(args.rest.next().ok_or("import needs a file")?.into()),
            _ => return Command::serve(args),
        };
        Command::query(args, Query::new(action))
    }

    /// Parses the options of the program, of which the first is the current one.
    fn serve(mut args: Arguments<impl Iterator<Item = String>>) -> Result<Command, String> {
        let mut options = Options::default();
        loop {
            match args.name.as_str() {
                "-h" | "--help" => return args.flag().map(|_| Command::Help),
                "-V" | "--version" => return args.flag().map(|_| Command::Version),
                "--open" => options.open = args.flag()?,
                "--follow" => options.follow = args.flag()?,
                "--ready-json" => options.ready_json = args.flag()?,
                "--no-color" => options.no_color = args.flag()?,
                "--rules-write" => options.rules_write = args.flag()?,
                "--strict" => options.strict = args.flag()?,
                "--show-sampling" => options.show_sampling = args.flag()?,
                "--rules" => options.rules = Some(args.value()?.into()),
                "--store" => options.store = Some(args.value()?.into()),
                "--ui" => options.ui = Some(args.value()?.into()),
                "--listen" => options.listen = address(&args.value()?)?,
                "--width" => options.width = Some(number(&args.value()?, "columns")?),
                "--max-memory" => options.memory = Some(size(&args.value()?)?),
                "--max-traces" => options.max_traces = Some(number(&args.value()?, "traces")?),
                "--max-store" => options.max_store = Some(size(&args.value()?)? as u64),
                "--max-age" => options.max_age = Some(Duration::from_secs(seconds(&args.value()?)?)),
                "--forward" => options.forward.push(args.value()?),
                "--allow-host" => options.hosts.push(args.value()?),
                _ => return Err(args.unknown()),
            }
            if !args.next() {
                return match options.rules_write && options.rules.is_none() {
                    true => Err("--rules-write needs --rules FILE".to_owned()),
                    false => Ok(Command::Serve(Box::new(options))),
                };
            }
        }
    }

    fn query(mut args: Arguments<impl Iterator<Item = String>>, mut query: Query) -> Result<Command, String> {
        while args.next() {
            let (list, show, export) =
                (query.action == Action::List, matches!(query.action, Action::Show(_)), query.action == Action::Export);
            match args.name.as_str() {
                "-h" | "--help" => return args.flag().map(|_| Command::Help),
                "--store" => query.store = Some(args.value()?.into()),
                "--filter" if list || export => query.filter = args.value()?,
                "--since" if list => query.since = format!("PT{}S", seconds(&args.value()?)?),
                "--limit" if list => query.limit = number(&args.value()?, "rows")?,
                "--json" if list || show => query.form = args.flag().map(|_| Form::Json)?,
                "--raw" if show => query.form = args.flag().map(|_| Form::Raw)?,
                "--html" if show => query.form = Form::Html(args.value()?.into()),
                "--no-color" => query.no_color = args.flag()?,
                "--width" => query.width = Some(number(&args.value()?, "columns")?),
                _ => return Err(args.unknown()),
            }
        }
        Ok(Command::Query(query))
    }
}

pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    // The only supported name: any other would need a resolver.
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = numeric.as_deref().unwrap_or(text).parse();
    address.map_err(|_| format!("'{text}' is not an address; expected something like 127.0.0.1:2000"))
}

fn number(text: &str, of: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number of {of}"))
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

/// Parses a time such as `30s`, `15m`, `12h` or `7d`.
fn seconds(text: &str) -> Result<u64, String> {
    let error = || format!("'{text}' is not a time; expected something like 30s, 15m, 12h or 7d");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(error()),
    };
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Command, String> {
        Command::parse(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_become_options() {
        let run = |options: Options| Ok(Command::Serve(Box::new(options)));
        let listen = |address: &str| Options { listen: address.parse().unwrap(), ..Options::default() };
        let query = |action| Query::new(action);
        for (args, want) in [
            ("", run(listen("127.0.0.1:2000"))),
            ("--listen 0.0.0.0:3000 --no-color", run(Options { no_color: true, ..listen("0.0.0.0:3000") })),
            ("--listen=localhost:1 --width=120", run(Options { width: Some(120), ..listen("127.0.0.1:1") })),
            ("--max-memory 64M", run(Options { memory: Some(64 << 20), ..Options::default() })),
            ("--max-memory 1gib", run(Options { memory: Some(1 << 30), ..Options::default() })),
            ("--rules a/b.json", run(Options { rules: Some("a/b.json".into()), ..Options::default() })),
            ("--show-sampling", run(Options { show_sampling: true, ..Options::default() })),
            ("--rules a --rules-write --strict", {
                let rules = Some("a".into());
                run(Options { rules, rules_write: true, strict: true, ..Options::default() })
            }),
            ("--store a.db --follow", run(Options { store: Some("a.db".into()), follow: true, ..Options::default() })),
            ("--max-age 7d", run(Options { max_age: Some(Duration::from_secs(604_800)), ..Options::default() })),
            ("--width 80 -h", Ok(Command::Help)),
            ("--version", Ok(Command::Version)),
            (
                "list --since 15m --json --limit 3 --filter fault",
                Ok(Command::Query(Query {
                    since: "PT900S".into(),
                    form: Form::Json,
                    limit: 3,
                    filter: "fault".into(),
                    ..query(Action::List)
                })),
            ),
            ("show 1-2 --raw", Ok(Command::Query(Query { form: Form::Raw, ..query(Action::Show("1-2".into())) }))),
            ("show 1-2 --html a.html", {
                Ok(Command::Query(Query { form: Form::Html("a.html".into()), ..query(Action::Show("1-2".into())) }))
            }),
            ("import f --store s", {
                Ok(Command::Query(Query { store: Some("s".into()), ..query(Action::Import("f".into())) }))
            }),
            ("export --help", Ok(Command::Help)),
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
            ("--max-age soon", "'soon' is not a time; expected something like 30s, 15m, 12h or 7d"),
            ("--no-color=yes", "--no-color takes no value"),
            ("--rules", "--rules needs a value"),
            ("--rules-write", "--rules-write needs --rules FILE"),
            ("--verbose", "unknown argument '--verbose'"),
            ("file", "unknown argument 'file'"),
            ("show", "show needs the id of a trace"),
            ("export --json", "unknown argument '--json'"),
            ("list --raw", "unknown argument '--raw'"),
            ("list --html a", "unknown argument '--html'"),
            ("show 1 --html", "--html needs a value"),
        ] {
            assert_eq!(parse(args), Err(want.to_owned()), "{args}");
        }
    }
}
