//! `servers <bare|noop> <port> <sink>`: the server without a layer, and with one that does nothing.

use servers::{app, arguments, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = arguments();
    let app = match &arguments.variant[..] {
        "bare" => app(),
        "noop" => app().layer(tower::layer::layer_fn(|service| service)),
        variant => panic!("no variant {variant}"),
    };
    serve(app, arguments.port).await;
}
