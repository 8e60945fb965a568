//! How much is received and kept.

use std::net::UdpSocket;
use std::time::Duration;

use xray_local::Receiver;

use crate::tree::datagram;

/// Returns a document of 1.9 KB with nine entities, which is a trace of its own.
fn reference(number: u64) -> Vec<u8> {
    let (seconds, start) = (1_795_400_000 + number / 100, 1_795_400_000.0 + number as f64 / 100.0);
    let id = |entity: u64| format!("{:016x}", (number * 16 + entity).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let part = |entity: u64, rest: &str| {
        let (begin, end) = (start + entity as f64 / 1e3, start + (entity + 1) as f64 / 1e3);
        format!(r#"{{"id":"{}","start_time":{begin:.6},"end_time":{end:.6},{rest}}}"#, id(entity))
    };
    let parts = [
        part(1, r#""name":"authenticate""#),
        part(2, r#""name":"load-cart","annotations":{"items":3}"#),
        part(
            3,
            r#""name":"cart@db.example.com","namespace":"remote","sql":{"url":"postgres://db.example.com/cart","sanitized_query":"SELECT * FROM items WHERE cart = $1"}"#,
        ),
        part(
            4,
            r#""name":"inventory","namespace":"remote","http":{"request":{"method":"GET","url":"http://inventory.example.com/items/7"},"response":{"status":200,"content_length":120}}"#,
        ),
        part(
            5,
            r#""name":"DynamoDB","namespace":"aws","aws":{"operation":"GetItem","table_name":"orders","region":"eu-west-1","request_id":"3AIENM5J4ELQ3SPODHKBIRVIC3VV4KQNSO5AEMVJF66Q9ASUAAJG"},"http":{"response":{"status":200,"content_length":60}}"#,
        ),
        part(6, r#""name":"price""#),
        part(7, r#""name":"reserve","metadata":{"default":{"shelf":"A-7","amount":2}}"#),
        part(8, r#""name":"respond""#),
    ];
    datagram(&format!(
        r#"{{"trace_id":"1-{seconds:08x}-{:024x}","id":"{}","name":"shop","start_time":{start:.6},"end_time":{:.6},"origin":"AWS::ECS::Container","user":"u-{}","http":{{"request":{{"method":"POST","url":"https://shop.example.com/checkout","user_agent":"Mozilla/5.0","client_ip":"192.0.2.7"}},"response":{{"status":200}}}},"annotations":{{"tier":"gold","order":{number}}},"service":{{"version":"1.4.2"}},"aws":{{"xray":{{"sdk":"X-Ray for Rust","sdk_version":"0.1.0"}}}},"subsegments":[{}]}}"#,
        u128::from(number) * 0x9e37_79b9_7f4a_7c15_f39c,
        id(0),
        start + 0.01,
        number % 100,
        parts.join(",")
    ))
}

#[test]
fn forty_thousand_traces_fit_into_64_mib() {
    // A part of both numbers.
    const PART: usize = 32;
    let receiver =
        Receiver::builder().settle_time(Duration::ZERO).memory((64 << 20) / PART).bind("127.0.0.1:0").unwrap();
    for number in 0..2 * 40_000 / PART as u64 {
        receiver.store().accept(&reference(number)).unwrap();
        // What is not settled needs more.
        if number % 10 == 0 {
            assert!(receiver.wait_for(number as usize, Duration::from_secs(20)));
        }
    }
    let stats = receiver.store().stats();
    assert!(stats.evicted > 0 && stats.traces >= 40_000 / PART, "{stats:?}");
}

#[test]
fn a_burst_is_received_completely() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    // About 3 KB of the kernel's memory each.
    let burst = (receiver.receive_buffer() / 4_000) as u64;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..burst {
        socket.send_to(&reference(number), receiver.address()).unwrap();
    }
    assert!(receiver.wait_for(burst as usize, Duration::from_secs(20)));
    let stats = receiver.store().stats();
    assert_eq!((stats.datagrams, stats.kernel_drops, stats.queue_full), (burst, 0, 0));
}
