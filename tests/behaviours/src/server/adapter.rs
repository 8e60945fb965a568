//! An adapter under test, and a server of it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use futures_util::future::LocalBoxFuture;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use xray_core::sampling::{Always, Sampler};

use super::App;
use crate::client::{self, Answer};
use crate::documents::{Documents, recorder_with};

/// How a framework serves an application through the adapter.
pub(super) struct Adapter {
    serve: Arc<dyn Fn(TcpListener, App) -> LocalBoxFuture<'static, ()> + Send + Sync>,
    /// The recorded type of an `io::Error` of a body.
    pub(super) body_errors: &'static str,
}

impl Adapter {
    pub(super) fn new<F: Future<Output = ()> + 'static>(
        serve: impl Fn(TcpListener, App) -> F + Send + Sync + 'static,
        body_errors: &'static str,
    ) -> Adapter {
        Adapter { serve: Arc::new(move |listener, app| Box::pin(serve(listener, app))), body_errors }
    }

    /// Serves an application whose requests are all recorded.
    pub(super) fn serve(&self, app: App) -> (Server, Documents) {
        self.serve_sampled_by(Always, app)
    }

    /// Serves an application whose requests are recorded as this sampler decides.
    pub(super) fn serve_sampled_by(&self, sampler: impl Sampler, app: App) -> (Server, Documents) {
        let (recorder, documents) = recorder_with(sampler);
        (self.start(App { recorder: Some(recorder), ..app }), documents)
    }

    /// Serves an application with the recorder that it has.
    pub(super) fn start(&self, app: App) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serve = self.serve.clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
            let mut runtime = match app.threads {
                1 => Builder::new_current_thread(),
                _ => Builder::new_multi_thread(),
            };
            let runtime = runtime.worker_threads(app.threads).enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, app) => panic!("the server ended by itself"),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Server { address, stop: Some(stop), thread: Some(thread.unwrap()) }
    }
}

/// A server, which runs until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) async fn get(&self, target: &str) -> Answer {
        client::get(self.address, target).await
    }

    pub(super) async fn ask(&self, line: &str, headers: &[&str]) -> Option<Answer> {
        client::ask(self.address, line, headers).await
    }

    pub(super) async fn send(&self, line: &str, headers: &[&str]) -> TcpStream {
        client::send(self.address, line, headers).await
    }

    pub(super) async fn send_text(&self, text: &str) -> TcpStream {
        client::send_text(self.address, text).await
    }
}

#[cfg(feature = "tls")]
impl Server {
    pub(super) async fn get_over_tls(&self, protocol: crate::tls::Protocol, target: &str) {
        crate::tls::get(self.address, protocol, target).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}
