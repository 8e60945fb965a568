//! Upgraded connections.

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use xray_actix::XRay;
use xray_core::Recorder;

#[actix_web::test]
async fn an_upgrade_closes_the_segment_at_the_headers_and_keeps_working() {
    let (recorder, traces) = Recorder::in_memory();
    let middleware = XRay::fixed("shop").recorder(recorder);
    let echo = async |payload: web::Payload| {
        HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS).upgrade("websocket").streaming(payload)
    };
    let app = move || App::new().wrap(middleware.clone()).route("/echo", web::get().to(echo));
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);

    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    // The segment has been sent, while the connection stays open.
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop 101\n");
    assert_eq!(*trace.root().metadata("xray", "aborted"), serde_json::Value::Null);

    connection.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    connection.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
    drop(connection);
    handle.stop(false).await;
    assert!(traces.take().documents().is_empty());
}
