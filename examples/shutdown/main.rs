//! A service that shuts down without losing a trace: run `cargo run --example shutdown`, then press Ctrl-C.
//!
//! The parts must stop in this order:
//!
//! 1. The server stops accepting requests and completes those in progress.
//! 2. Background tasks get a few seconds to finish.
//! 3. The runtime drops the remaining tasks, which closes their subsegments.
//! 4. The recorder's guard flushes when it is dropped. Therefore it is created outside of the runtime.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use xray_axum::XRayLayer;
use xray_core::sampling::Always;
use xray_core::{FutureExt, Recorder};

/// How long background tasks may continue after the server has stopped.
const GRACE: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let _flushed_when_dropped = Recorder::builder().service("shop").sampling(Always).build()?.install();
    serve()?;
    println!("Flushing the remaining documents.");
    Ok(())
}

/// Runs the service. The runtime has shut down when this returns.
#[tokio::main]
async fn serve() -> Result<(), Box<dyn Error>> {
    let background = Background::default();
    let app = Router::new().route("/orders", post(order)).layer(XRayLayer::new("shop")).with_state(background.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Listening. To place an order: curl -X POST http://{}/orders", listener.local_addr()?);
    println!("Press Ctrl-C to shut down.");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(shutdown_signal()).await?;
    println!("The server has stopped. Waiting up to {} s for background tasks.", GRACE.as_secs());
    background.finish().await;
    Ok(())
}

/// Responds immediately. The tasks it starts are recorded below the request, although they close after it.
async fn order(State(background): State<Background>) -> &'static str {
    background.spawn(sleep(Duration::from_millis(500)).in_subsegment("send mail"));
    background.spawn(sleep(Duration::from_secs(3600)).in_subsegment("watch delivery"));
    "ordered"
}

/// Tasks that outlive their requests.
#[derive(Clone, Default)]
struct Background(Arc<Mutex<JoinSet<()>>>);

impl Background {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// Waits for the tasks until [`GRACE`] has passed, then drops the rest.
    async fn finish(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            println!("{} background tasks did not finish in time; dropping them.", tasks.len());
        }
    }
}

/// Waits for Ctrl-C, or for the SIGTERM that container platforms send.
async fn shutdown_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        _ = interrupted => {}
        () = terminated => {}
    }
}
