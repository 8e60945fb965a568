//! A poem service behind the middleware of `adapter.rs`: run `cargo run --example poem`. It makes three requests to
//! itself and prints their traces, and needs no daemon.

use std::error::Error;
use std::net::SocketAddr;

use poem::error::NotFound;
use poem::listener::TcpAcceptor;
use poem::web::Path;
use poem::{EndpointExt, Route, Server, handler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use xray_core::Recorder;
use xray_example_poem::XRay;

/// Responds with an order. No order has the number 0.
#[handler]
fn order(Path(id): Path<u64>) -> poem::Result<String> {
    xray_core::annotate("order_id", id);
    let found = xray_core::capture("look up", |_| id > 0);
    if found { Ok(format!("order {id}")) } else { Err(NotFound(std::io::Error::other("no such order"))) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (recorder, traces) = Recorder::in_memory();
    let app = Route::new().at("/orders/:id", order).with(XRay::new("shop").recorder(recorder));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?).run(app));
    for path in ["/orders/7", "/orders/0", "/nowhere"] {
        println!("GET {path}: {}", get(address, path).await?);
    }
    println!("\nThe traces:");
    for trace in traces.take().traces() {
        print!("{}", trace.tree());
    }
    Ok(())
}

/// Makes a request and returns the status line of the response.
async fn get(address: SocketAddr, path: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response.lines().next().unwrap_or_default().to_owned())
}
