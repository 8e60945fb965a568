//! A service that ends without losing a trace: `cargo run --example shutdown`, then Ctrl-C.
//!
//! What has to end, in this order:
//!
//! 1. the server: it takes no more requests and answers those it has;
//! 2. tasks in the background: they get some seconds;
//! 3. the runtime: it drops the tasks that are left, which closes what they record;
//! 4. the recorder's guard: it flushes. So it is made outside of the runtime.

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

/// The time of the tasks in the background.
const GRACE: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let _flushed_when_dropped = Recorder::builder().service("shop").sampling(Always).build()?.install();
    serve()
}

/// Its runtime has ended when it returns.
#[tokio::main]
async fn serve() -> Result<(), Box<dyn Error>> {
    let background = Background::default();
    let app = Router::new().route("/orders", post(order)).layer(XRayLayer::new("shop")).with_state(background.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("POST http://{}/orders", listener.local_addr()?);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(told_to_end()).await?;
    background.finish().await;
    Ok(())
}

/// Answers at once; what it starts is recorded below the request, which is over by then.
async fn order(State(background): State<Background>) -> &'static str {
    background.spawn(sleep(Duration::from_millis(500)).in_subsegment("send mail"));
    background.spawn(sleep(Duration::from_secs(3600)).in_subsegment("watch delivery"));
    "ordered"
}

/// The tasks that outlive their requests.
#[derive(Clone, Default)]
struct Background(Arc<Mutex<JoinSet<()>>>);

impl Background {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// Waits for the tasks, and drops those that take too long.
    async fn finish(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            println!("{} tasks did not end", tasks.len());
        }
    }
}

/// Ctrl-C, or what a container's host sends.
async fn told_to_end() {
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
