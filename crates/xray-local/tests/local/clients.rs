//! Clients of the TCP side that are faulty or slow.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use xray_local::Receiver;

use crate::http::{connect, exchange, post, read};

fn receiver() -> Receiver {
    Receiver::bind("127.0.0.1:0").unwrap()
}

#[test]
fn invalid_calls_get_an_error_status() {
    let receiver = receiver();
    let rules = "POST /GetSamplingRules HTTP/1.1\r\nConnection: close\r\n";
    for (bytes, want) in [
        (post("/GetSamplingRules", "{}"), 200),
        (post("/GetSamplingRules", ""), 200),
        (post("/GetSamplingRules?x", r#"{"NextToken":null}"#), 200),
        ("POST /GetSamplingRules HTTP/1.0\r\n\r\n".to_owned(), 200),
        (format!("{rules}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"), 200),
        (post("/GetSamplingRules", "[]"), 400),
        (post("/GetSamplingRules", "{"), 400),
        (post("/SamplingTargets", ""), 400),
        (post("/TraceSegments", "{}"), 400),
        (post("/Unknown", "{}"), 400),
        (post("/", "{}"), 400),
        ("GET /GetSamplingRules HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 405),
        ("PUT /GetSamplingRules HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 405),
        ("GET /unknown HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 404),
        (format!("{rules}Content-Length: 9999999\r\n\r\n{{}}"), 413),
    ] {
        let (status, body) = exchange(receiver.address(), &bytes);
        assert_eq!(status, want, "{:.80}: {body}", bytes);
        assert!(serde_json::from_str::<serde_json::Value>(&body).unwrap().is_object());
    }
    // What is no HTTP has no JSON to expect.
    for (bytes, want) in [
        ("x".repeat(100_000), 431),
        (format!("{rules}A: {}\r\n\r\n", "x".repeat(100_000)), 431),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), 400),
    ] {
        assert_eq!(exchange(receiver.address(), &bytes).0, want, "{:.80}", bytes);
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_while_it_is_being_sent() {
    let receiver = receiver();
    let (status, body) = exchange(receiver.address(), post("/SamplingTargets", &"x".repeat(3 << 20)));
    assert_eq!((status, body.as_str()), (413, r#"{"message":"the body is larger than 1 MiB"}"#));
}

#[test]
fn a_large_body_is_accepted() {
    let receiver = receiver();
    let (status, _) =
        exchange(receiver.address(), post("/GetSamplingRules", &format!("{{{}}}", " ".repeat(1_000_000))));
    assert_eq!(status, 200);
}

#[test]
fn half_closed_clients_get_a_response() {
    let receiver = receiver();
    let mut stream = connect(receiver.address());
    stream.write_all(post("/GetSamplingRules", "{}").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(stream).0, 200);
}

#[test]
fn slow_clients_time_out_without_delaying_others() {
    let receiver = receiver();
    let mut silent = connect(receiver.address());
    let mut slow = connect(receiver.address());
    slow.write_all(b"POST /GetSamplingRules HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{").unwrap();
    assert_eq!(exchange(receiver.address(), post("/GetSamplingRules", "{}")).0, 200);
    assert_eq!(read(slow).0, 408);
    // A client that has sent nothing expects nothing.
    let mut nothing = String::new();
    silent.read_to_string(&mut nothing).unwrap();
    assert_eq!(nothing, "");
}

#[test]
fn connections_above_the_limit_get_503_until_others_close() {
    let receiver = receiver();
    let mut crowd: Vec<TcpStream> = (0..64).map(|_| connect(receiver.address())).collect();
    let refused = connect(receiver.address());
    assert_eq!(read(refused).0, 503);
    crowd.clear();
    let begin = Instant::now();
    while !is_served(&receiver) {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

/// Whether a new client is served. A refused client may find the connection closed before it has sent its request.
fn is_served(receiver: &Receiver) -> bool {
    let mut stream = connect(receiver.address());
    let mut text = String::new();
    let sent = stream.write_all(post("/GetSamplingRules", "{}").as_bytes());
    sent.and_then(|()| stream.read_to_string(&mut text)).is_ok() && text.starts_with("HTTP/1.1 200 ")
}

#[test]
fn dropping_does_not_wait_for_clients() {
    let receiver = receiver();
    let _silent: Vec<TcpStream> = (0..3).map(|_| connect(receiver.address())).collect();
    let begin = Instant::now();
    drop(receiver);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn both_sockets_share_one_port_and_release_it() {
    let first = receiver();
    let address = first.address();
    assert_eq!(exchange(address, post("/GetSamplingRules", "{}")).0, 200);
    assert_eq!(Receiver::bind(address).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    let again = Receiver::bind(address).unwrap();
    assert_eq!(exchange(again.address(), post("/GetSamplingRules", "{}")).0, 200);
}
