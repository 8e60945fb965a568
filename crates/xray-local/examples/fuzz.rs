//! Sends damaged input to a receiver in this process: `cargo run --release -p xray-local --example fuzz -- [COUNT [SEED]]`.
//!
//! COUNT (default: 1,000,000) each of datagrams, HTTP requests, filter expressions and imports are made of valid ones, by
//! changes of bytes and of whole pieces. The program ends with an error if a thread panics, if the receiver stops to accept
//! what is valid, or if its memory grows after the first tenth.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use xray_local::Receiver;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Bytes by which the memory may grow after the first tenth.
const MAX_GROWTH: u64 = 64 << 20;

/// How many pools of memory glibc has: one, because each keeps the most that its threads have ever used at once, and which
/// thread answers a large request is chance.
const POOLS: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

/// Requests of one connection.
const PIPELINE: u64 = 16;

const DOCUMENT: &str = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","name":"shop","start_time":1480615200.010,"end_time":1480615200.090,"origin":"AWS::ECS::Container","user":"u","http":{"request":{"method":"POST","url":"http://shop/checkout","traced":true},"response":{"status":500}},"fault":true,"cause":{"exceptions":[{"id":"00000000000000ee","type":"E","message":"m"}]},"annotations":{"a":1,"b":true,"c":"x"},"metadata":{"default":{"k":[1,{}]}},"aws":{"account_id":"1"},"subsegments":[{"id":"53995c3f42cd8ad9","name":"DynamoDB","namespace":"aws","start_time":1480615200.02,"in_progress":true,"aws":{"operation":"GetItem","table_name":"t"}}]}"#;

const REQUESTS: [(&str, &str, &str); 16] = [
    ("GET", "/api/traces?filter=fault&timeRange=PT15M&sort=-duration&limit=3", ""),
    ("GET", "/api/traces/1-5759e988-bd862e3fe1be46a994272793", ""),
    ("GET", "/api/traces/1-5759e988-bd862e3fe1be46a994272793/entities/53995c3f42cd8ad8", ""),
    ("GET", "/api/traces/1-5759e988-bd862e3fe1be46a994272793/documents", ""),
    ("GET", "/api/graph", ""),
    ("GET", "/api/status", ""),
    ("GET", "/api/wait?filter=service(%22shop%22)&count=1&timeout=1ms", ""),
    ("GET", "/ui/app.js", ""),
    ("GET", "/traces/x", ""),
    (
        "POST",
        "/TraceSummaries",
        r#"{"StartTime":1480615200,"EndTime":1480615300,"FilterExpression":"!fault OR user","TimeRangeType":"Event"}"#,
    ),
    ("POST", "/Traces", r#"{"TraceIds":["1-5759e988-bd862e3fe1be46a994272793"]}"#),
    ("POST", "/ServiceGraph", r#"{"StartTime":1480615200,"EndTime":1480615300,"GroupName":"Default"}"#),
    (
        "POST",
        "/TimeSeriesServiceStatistics",
        r#"{"StartTime":1480615200,"EndTime":1480615300,"EntitySelectorExpression":"edge(\"a\",\"b\")","Period":60}"#,
    ),
    (
        "POST",
        "/SamplingTargets",
        r#"{"SamplingStatisticsDocuments":[{"RuleName":"Default","ClientID":"000000000000000000000000","Timestamp":1,"RequestCount":2,"SampledCount":1,"BorrowCount":0}]}"#,
    ),
    (
        "POST",
        "/CreateSamplingRule",
        r#"{"SamplingRule":{"RuleName":"r","Priority":1,"FixedRate":0.5,"ReservoirSize":1,"Version":1}}"#,
    ),
    ("POST", "/CreateGroup", r#"{"GroupName":"g","FilterExpression":"duration > 1","Tags":[{"Key":"a","Value":"b"}]}"#),
];

/// Expressions, and the words that changes insert.
const FILTERS: &str = include_str!("../tests/data/expressions.txt");

const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1e999",
    "-1",
    "\u{202e}",
    "\u{0}",
    "\\u0000",
    "\"subsegments\":[{",
    "\"id\":\"53995c3f42cd8ad8\"",
    "\"parent_id\":\"53995c3f42cd8ad8\"",
    "\"in_progress\":true",
    "\r\n",
    "%00",
    "(",
    "!",
    "annotation.",
    "rootcause.json = #[",
];

/// A generator of random numbers: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// Changes bytes at up to four places. One of sixteen stays valid.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if self.below(16) == 0 {
            return;
        }
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = at + self.below(64.min(bytes.len() - at) + 1);
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 => _ = bytes.drain(at..end),
                2 => bytes.splice(at..at, PIECES[self.below(PIECES.len())].bytes()).for_each(drop),
                3 => {
                    let copy = bytes[at..end].repeat(1 + self.below(8));
                    bytes.splice(at..at, copy).for_each(drop);
                }
                4 if self.below(16) == 0 => bytes.truncate(at),
                _ => {
                    // An id, a digit or a letter becomes another one.
                    for byte in bytes[at..end].iter_mut().filter(|byte| byte.is_ascii_hexdigit()).take(4) {
                        *byte = b"0123456789abcdef"[self.below(16)];
                    }
                }
            }
        }
    }
}

static PANICS: AtomicU64 = AtomicU64::new(0);

fn main() -> Result {
    if std::env::var_os(POOLS.0).is_none() {
        // It is read when a process starts.
        let mut again = Command::new(std::env::current_exe()?);
        let status = again.args(std::env::args_os().skip(1)).env(POOLS.0, POOLS.1).status()?;
        std::process::exit(status.code().unwrap_or(1));
    }
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        report(panic);
    }));
    let receiver = Receiver::builder().memory(8 << 20).on_sampling(|_| {}).bind("127.0.0.1:0")?;
    let mut random = Random(seed | 1);
    for (name, run) in [
        ("datagrams", datagrams as fn(&Receiver, &mut Random, u64) -> Result),
        ("filters", filters),
        ("imports", imports),
        ("requests", requests),
    ] {
        let begin = Instant::now();
        run(&receiver, &mut random, count / 10)?;
        let before = memory();
        run(&receiver, &mut random, count - count / 10)?;
        let growth = memory().saturating_sub(before);
        println!(
            "{count} {name} in {:.0?}; memory {} MB, {} MB more than after a tenth",
            begin.elapsed(),
            memory() >> 20,
            growth >> 20
        );
        if growth > MAX_GROWTH {
            return Err("the memory grows".into());
        }
        is_well(&receiver)?;
    }
    Ok(())
}

/// Returns a valid document: of one of many traces, or of one of few, which get many documents.
fn document(random: &mut Random) -> String {
    let traces = if random.below(8) == 0 { 64 } else { 1 << 20 };
    let id = format!("1-5759e988-{:024x}", random.below(traces));
    let document = DOCUMENT.replace("1-5759e988-bd862e3fe1be46a994272793", &id);
    document.replace("53995c3f", &format!("{:08x}", random.below(64)))
}

/// Checks that nothing has panicked, and that a valid datagram is still received.
fn is_well(receiver: &Receiver) -> Result {
    if PANICS.load(Ordering::Relaxed) > 0 {
        return Err("a thread panicked".into());
    }
    let trace = "1-0000ffff-00000000000000000000ffff";
    let valid = format!(
        "{{\"format\":\"json\",\"version\":1}}\n{}",
        DOCUMENT.replace("1-5759e988-bd862e3fe1be46a994272793", trace)
    );
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let begin = Instant::now();
    while receiver.store().get(trace.parse()?).is_none() {
        socket.send_to(valid.as_bytes(), receiver.address())?;
        thread::sleep(Duration::from_millis(20));
        if begin.elapsed() > Duration::from_secs(20) {
            return Err("a valid datagram was not received".into());
        }
    }
    let response =
        exchange(receiver.address(), b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    if response.starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err("a valid request was not answered".into()) }
}

fn datagrams(receiver: &Receiver, random: &mut Random, count: u64) -> Result {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let received = || receiver.store().stats().datagrams;
    let mut sent = received();
    for number in 0..count {
        let document = document(random);
        let mut datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{document}").into_bytes();
        random.damage(&mut datagram);
        datagram.truncate(65_000);
        socket.send_to(&datagram, receiver.address())?;
        sent += u64::from(!datagram.is_empty());
        // Waits now and then, so that the receiver is not only busy with dropping.
        let begin = Instant::now();
        while number % 256 == 0 && received() < sent && begin.elapsed() < Duration::from_secs(1) {
            thread::yield_now();
        }
        if number % 4_096 == 0 {
            sent = received();
        }
    }
    Ok(())
}

fn filters(receiver: &Receiver, random: &mut Random, count: u64) -> Result {
    let expressions: Vec<&str> = FILTERS.lines().collect();
    // Few traces, so that each expression is tested quickly.
    let traces = Receiver::bind("127.0.0.1:0")?;
    traces.store().accept(format!("{{\"format\":\"json\",\"version\":1}}\n{DOCUMENT}").as_bytes())?;
    for _ in 0..count {
        let mut text = expressions[random.below(expressions.len())].as_bytes().to_vec();
        random.damage(&mut text);
        let text = String::from_utf8_lossy(&text);
        if let Err(error) = traces.traces(&text)
            && !text.is_char_boundary(error.at)
        {
            return Err(format!("the error of {text:?} is inside a character").into());
        }
    }
    drop(traces);
    is_well(receiver)
}

fn imports(receiver: &Receiver, random: &mut Random, count: u64) -> Result {
    /// Documents of one request.
    const BATCH: u64 = 100;
    for batch in 0..count.div_ceil(BATCH) {
        let mut body = Vec::new();
        for number in 0..BATCH.min(count - batch * BATCH) {
            let text = document(random);
            let text = serde_json::Value::from(text).to_string();
            let mut line = match number % 3 {
                0 => format!(r#"{{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","documents":[{text}]}}"#),
                1 => format!(r#"{{"Traces":[{{"Id":"x","Segments":[{{"Id":"y","Document":{text}}}]}}]}}"#),
                _ => DOCUMENT.to_owned(),
            }
            .into_bytes();
            // An error ends an import, so most lines are damaged inside their texts only, which the last ones are not.
            if number % 10 == 9 {
                random.damage(&mut line)
            } else {
                swap(random, &mut line)
            }
            body.extend(line);
            body.push(b'\n');
        }
        let head = format!(
            "POST /api/import HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        exchange(receiver.address(), &[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

/// Replaces letters and digits by others, so that JSON stays valid.
fn swap(random: &mut Random, bytes: &mut [u8]) {
    for _ in 0..random.below(8) {
        let at = random.below(bytes.len());
        if bytes[at].is_ascii_alphabetic() && (at == 0 || bytes[at - 1] != b'\\') {
            bytes[at] = b'a' + random.below(26) as u8;
        }
    }
}

fn requests(receiver: &Receiver, random: &mut Random, count: u64) -> Result {
    // Few traces, so that each request is answered quickly.
    exchange(receiver.address(), b"DELETE /api/traces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    for _ in 0..64 {
        receiver.store().accept(format!("{{\"format\":\"json\",\"version\":1}}\n{}", document(random)).as_bytes())?;
    }
    let mut left = count;
    while left > 0 {
        let mut bytes = Vec::new();
        let batch = left.min(1 + random.below(PIPELINE as usize) as u64);
        for _ in 0..batch {
            let (method, target, body) = REQUESTS[random.below(REQUESTS.len())];
            let length = body.len();
            let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
            let mut request = [head, body.to_owned()].concat().into_bytes();
            // Most stay whole, so that those after them are read, too.
            if random.below(4) == 0 {
                random.damage(&mut request)
            } else {
                swap(random, &mut request)
            }
            bytes.extend(request);
        }
        left -= batch;
        exchange(receiver.address(), &bytes)?;
    }
    Ok(())
}

/// Sends bytes, and reads until the end of the connection.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    // The server may close the connection while this is sent.
    _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            Err("a request was not answered in 20 s".into())
        }
        _ => Ok(response),
    }
}

/// Returns the resident memory of the process in bytes; 0 where Linux does not report it.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() << 10
}
