//! A stub of Lambda: the Runtime API, the daemon, and the process of the function.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// How long to wait before a function counts as hanging.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The time limit of an invocation.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// An event to send to the function.
struct Event {
    id: String,
    payload: Value,
    header: Option<String>,
    time: Duration,
}

/// The response of the function, after which Lambda may freeze it.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) id: String,
    /// `response` or `error`.
    pub(crate) kind: String,
    pub(crate) body: Value,
    /// The documents received before the response.
    pub(crate) documents: Vec<Value>,
}

/// A running function.
pub(crate) struct Function {
    process: Child,
    events: Sender<Event>,
    responses: Receiver<Response>,
    daemon: Arc<UdpSocket>,
}

impl Function {
    /// Starts this program as a child process, which runs only the test `function::is_run_by_lambda`.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Function {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "function::is_run_by_lambda", "--nocapture"]);
        Function::run(command, environment)
    }

    pub(crate) fn run(mut command: Command, environment: &[(&str, &str)]) -> Function {
        let daemon = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        let api_address = api.local_addr().unwrap().to_string();
        let (events, waiting) = channel();
        let (sent, responses) = channel();
        let (waiting, receiver) = (Arc::new(Mutex::new(waiting)), daemon.clone());
        std::thread::spawn(move || {
            for connection in api.incoming().map_while(Result::ok) {
                let (waiting, sent, daemon) = (waiting.clone(), sent.clone(), receiver.clone());
                std::thread::spawn(move || serve(connection, &waiting, &sent, &daemon));
            }
        });
        // The environment of this machine must not affect the tests.
        let names = std::env::vars().map(|(name, _)| name);
        for name in names.filter(|name| name.contains("AWS_") || name.contains("AMZN_")) {
            command.env_remove(name);
        }
        let process = command
            .env("AWS_LAMBDA_RUNTIME_API", &api_address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("LAMBDA_TASK_ROOT", "/var/task")
            .env("AWS_XRAY_DAEMON_ADDRESS", daemon.local_addr().unwrap().to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Function { process, events, responses, daemon }
    }

    /// Sends an event without waiting for the response.
    pub(crate) fn send(&self, id: &str, header: impl Into<Option<String>>, payload: Value) {
        self.send_within(TIME_LIMIT, id, header, payload);
    }

    /// Sends an event with this time limit.
    pub(crate) fn send_within(&self, time: Duration, id: &str, header: impl Into<Option<String>>, payload: Value) {
        self.events.send(Event { id: id.to_owned(), payload, header: header.into(), time }).unwrap();
    }

    pub(crate) fn response(&self) -> Response {
        self.responses.recv_timeout(TIMEOUT).expect("the function did not respond")
    }

    pub(crate) fn invoke(&self, id: &str, header: impl Into<Option<String>>, payload: Value) -> Response {
        self.send(id, header, payload);
        let response = self.response();
        assert_eq!(response.id, id);
        response
    }

    /// Waits for the next document.
    pub(crate) fn document(&self) -> Value {
        self.daemon.set_nonblocking(false).unwrap();
        self.daemon.set_read_timeout(Some(TIMEOUT)).unwrap();
        receive(&self.daemon).expect("no document arrived")
    }

    /// Ends the function, and returns the documents received since the last response.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        drain(&self.daemon)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn receive(daemon: &UdpSocket) -> Option<Value> {
    let mut buffer = vec![0; 65_536];
    let length = daemon.recv(&mut buffer).ok()?;
    let text = std::str::from_utf8(&buffer[..length]).unwrap();
    Some(serde_json::from_str(text.split_once('\n').unwrap().1).unwrap())
}

/// Returns all documents received so far. On loopback, a datagram has arrived when sending it returns.
fn drain(daemon: &UdpSocket) -> Vec<Value> {
    daemon.set_nonblocking(true).unwrap();
    std::iter::from_fn(|| receive(daemon)).collect()
}

/// Serves one connection of the runtime's pool.
fn serve(connection: TcpStream, events: &Mutex<Receiver<Event>>, responses: &Sender<Response>, daemon: &UdpSocket) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut writer = connection;
    while let Some((target, body)) = request(&mut reader) {
        let path: Vec<_> = target.trim_start_matches("/2018-06-01/runtime/").split('/').collect();
        let sent = match path[..] {
            ["invocation", "next"] => {
                let Ok(event) = events.lock().unwrap().recv() else { return };
                next(&mut writer, &event)
            }
            ["invocation", id, kind] => {
                // From here on Lambda may freeze the function, so documents that arrive later do not count.
                let documents = drain(daemon);
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let _ = responses.send(Response { id: id.to_owned(), kind: kind.to_owned(), body, documents });
                writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            }
            _ => writer.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Reads one request, and returns its target and body.
fn request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    let mut read = |line: &mut String| {
        line.clear();
        reader.read_line(line).ok().filter(|bytes| *bytes > 0)
    };
    read(&mut line)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    while read(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, body))
}

fn next(writer: &mut impl Write, event: &Event) -> std::io::Result<()> {
    let deadline = SystemTime::now() + event.time;
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let body = event.payload.to_string();
    let header = event.header.as_ref().map_or(String::new(), |text| format!("lambda-runtime-trace-id: {text}\r\n"));
    write!(
        writer,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{header}\
         lambda-runtime-aws-request-id: {}\r\nlambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:1:function:f\r\n\r\n{body}",
        body.len(),
        event.id,
    )
}
