//! A collector that prints the spans it receives, as uncompressed OTLP/JSON.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

/// Starts the collector on a thread, and returns its URL.
pub(crate) fn start() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(serve(stream))));
    Ok(url)
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        print(&serde_json::from_slice(&body)?);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")?;
    }
}

/// Prints each span with its attributes.
fn print(request: &Value) {
    for group in list(&request["resourceSpans"]) {
        println!("resource");
        attributes(&group["resource"]);
        for span in list(&group["scopeSpans"][0]["spans"]) {
            let parent = span["parentSpanId"].as_str().unwrap_or("none");
            println!("span {} ({}), parent {parent}", span["name"], span["spanId"].as_str().unwrap_or_default());
            attributes(span);
            for event in list(&span["events"]) {
                println!("    event {}", event["name"]);
            }
        }
    }
}

fn attributes(of: &Value) {
    for attribute in list(&of["attributes"]) {
        println!("    {} = {}", attribute["key"].as_str().unwrap_or_default(), attribute["value"]);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
