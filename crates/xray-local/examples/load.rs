//! Sends documents at a steady rate and counts what arrives:
//! `cargo run --release -p xray-local --example load -- [RATE [SECONDS [ADDRESS]]]`.
//!
//! Each document has 1.9 KB and nine entities, and is a trace of its own. The default is 20,000 documents per second for
//! 60 seconds to an `xray-local` at 127.0.0.1:2000. The last line is `N sent, N received, N lost`.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Documents that are sent one after the other.
const BURST: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rate: u64 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(60), |text| text.parse())?;
    let address: SocketAddr = arguments.next().unwrap_or_else(|| "127.0.0.1:2000".to_owned()).parse()?;

    let before = received(address)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let begin = Instant::now();
    let pause = Duration::from_secs_f64(BURST as f64 / rate as f64);
    let (bursts, mut sent) = (rate * seconds / BURST, 0);
    for burst in 0..bursts {
        for _ in 0..BURST {
            socket.send_to(document(sent).as_bytes(), address)?;
            sent += 1;
        }
        let due = begin + pause.saturating_mul(u32::try_from(burst + 1)?);
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
    }
    println!("{:.0} documents per second", sent as f64 / begin.elapsed().as_secs_f64());
    // What is queued is parsed within this time, or never.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut arrived = received(address)? - before;
    while arrived < sent && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
        arrived = received(address)? - before;
    }
    println!("{sent} sent, {arrived} received, {} lost", sent - arrived);
    if arrived == sent { Ok(()) } else { Err("documents were lost".into()) }
}

/// Returns how many datagrams the receiver has counted.
fn received(address: SocketAddr) -> Result<u64, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let body = text.split_once("\r\n\r\n").ok_or("no response")?.1;
    let status: serde_json::Value = serde_json::from_str(body)?;
    status["datagrams"].as_u64().ok_or_else(|| "the response has no counter".into())
}

/// Returns a datagram with a segment and eight subsegments.
fn document(number: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (seconds, start) = (now.as_secs(), now.as_secs_f64());
    let id = |entity: u64| format!("{:016x}", number.wrapping_mul(16) + entity + 1);
    let subsegment = |entity: u64, kind: &str| {
        let (begin, end) = (start + entity as f64 / 1e3, start + (entity + 1) as f64 / 1e3);
        format!(r#"{{"id":"{}","start_time":{begin:.6},"end_time":{end:.6},{kind}}}"#, id(entity))
    };
    let subsegments = [
        subsegment(1, r#""name":"authenticate""#),
        subsegment(2, r#""name":"load-cart","annotations":{"items":3}"#),
        subsegment(3, r#""name":"cart@db.example.com","namespace":"remote","sql":{"url":"postgres://db.example.com/cart","sanitized_query":"SELECT * FROM items WHERE cart = $1"}"#),
        subsegment(4, r#""name":"inventory","namespace":"remote","http":{"request":{"method":"GET","url":"http://inventory.example.com/items/7"},"response":{"status":200,"content_length":120}}"#),
        subsegment(5, r#""name":"DynamoDB","namespace":"aws","aws":{"operation":"GetItem","table_name":"orders","region":"eu-west-1","request_id":"3AIENM5J4ELQ3SPODHKBIRVIC3VV4KQNSO5AEMVJF66Q9ASUAAJG"},"http":{"response":{"status":200,"content_length":60}}"#),
        subsegment(6, r#""name":"price""#),
        subsegment(7, r#""name":"reserve","metadata":{"default":{"shelf":"A-7","amount":2}}"#),
        subsegment(8, r#""name":"respond""#),
    ]
    .join(",");
    format!(
        "{{\"format\":\"json\",\"version\":1}}\n{{\"trace_id\":\"1-{seconds:08x}-{number:024x}\",\"id\":\"{}\",\
         \"name\":\"shop\",\"start_time\":{start:.6},\"end_time\":{:.6},\"origin\":\"AWS::ECS::Container\",\
         \"user\":\"u-{}\",\"http\":{{\"request\":{{\"method\":\"POST\",\"url\":\"https://shop.example.com/checkout\",\
         \"user_agent\":\"Mozilla/5.0\",\"client_ip\":\"192.0.2.7\"}},\"response\":{{\"status\":200}}}},\
         \"annotations\":{{\"tier\":\"gold\",\"order\":{number}}},\"service\":{{\"version\":\"1.4.2\"}},\
         \"aws\":{{\"xray\":{{\"sdk\":\"X-Ray for Rust\",\"sdk_version\":\"0.1.0\"}}}},\"subsegments\":[{subsegments}]}}",
        id(0),
        start + 0.01,
        number % 100,
    )
}
