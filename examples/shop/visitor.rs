//! A client of the shop.

use std::io::Result;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUESTS: [(&str, &str); 6] = [
    ("GET", "/orders/7"),
    ("POST", "/checkout?customer=alice&item=book&item=lamp"),
    ("POST", "/checkout?customer=mallory&item=book"),
    ("POST", "/checkout?customer=bob&item=lamp&item=chair"),
    ("GET", "/orders/0"),
    ("GET", "/report"),
];

/// Sends the requests one after the other and returns their number.
pub(crate) async fn visit(address: SocketAddr) -> Result<usize> {
    for (method, target) in REQUESTS {
        let mut connection = TcpStream::connect(address).await?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await?;
        connection.read_to_end(&mut Vec::new()).await?;
    }
    Ok(REQUESTS.len())
}

/// Returns the same requests as curl commands.
pub(crate) fn curl(address: SocketAddr) -> impl Iterator<Item = String> {
    REQUESTS.into_iter().map(move |(method, target)| match method {
        "GET" => format!("curl http://{address}{target}"),
        _ => format!("curl -X {method} 'http://{address}{target}'"),
    })
}
