//! A program of two services and twenty functions with `#[instrument]`: axum receives, reqwest calls.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::{join, join_all};
use reqwest_middleware::ClientWithMiddleware;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tracing_subscriber::prelude::*;
use xray_axum::XRayLayer;
use xray_core::testing::Traces;
use xray_core::{FutureExt, Recorder, in_current};
use xray_reqwest::XRayMiddleware;
use xray_tracing::SubsegmentLayer;

/// Defines functions that do nothing but let others run.
macro_rules! steps {
    ($($name:ident),*) => {
        $(#[tracing::instrument]
        async fn $name() {
            yield_now().await;
        })*
    };
}
steps!(
    authenticate,
    parse,
    validate,
    read_cache,
    read_profile,
    read_discounts,
    add_taxes,
    write_audit,
    pack,
    notify,
    render
);

#[derive(Clone)]
struct Services {
    client: ClientWithMiddleware,
    inventory: SocketAddr,
}

#[tracing::instrument(skip_all, fields(order_id = id))]
async fn order(State(services): State<Services>, Path(id): Path<u64>) -> Result<String, StatusCode> {
    authenticate().await;
    accept().await;
    let (items, ()) = join(reserve(&services), customer()).await;
    price(items.len()).await;
    persist().await;
    pack().await;
    notify().await;
    render().await;
    match items.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(items) => Ok(items.concat()),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    }
}

#[tracing::instrument]
async fn accept() {
    parse().await;
    validate().await;
}

#[tracing::instrument(skip_all)]
async fn reserve(services: &Services) -> Vec<Result<String, reqwest_middleware::Error>> {
    join_all(["pen", "ink"].map(|item| reserve_one(services, item))).await
}

#[tracing::instrument(skip(services), err)]
async fn reserve_one(services: &Services, item: &str) -> Result<String, reqwest_middleware::Error> {
    let response = services.client.get(format!("http://{}/stock/{item}", services.inventory)).send().await?;
    Ok(response.text().await?)
}

#[tracing::instrument]
async fn customer() {
    tokio::select! {
        () = read_cache() => {}
        () = std::future::pending() => {}
    }
    read_profile().await;
}

#[tracing::instrument]
async fn price(items: usize) {
    read_discounts().await;
    add_taxes().await;
}

#[tracing::instrument]
async fn persist() {
    spawn_blocking(in_current(sync_write)).await.unwrap();
    tokio::spawn(write_audit().in_current()).await.unwrap();
}

fn sync_write() {
    xray_core::capture("write", |_| {});
}

#[tracing::instrument]
async fn stock(Path(item): Path<String>) -> String {
    count(&item);
    item
}

#[tracing::instrument]
fn count(item: &str) {}

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Serves this many orders at once, and returns what both services recorded.
async fn serve(orders: u64) -> Traces {
    let (recorder, traces) = Recorder::in_memory();
    let layer = |name: &str| XRayLayer::new(name).recorder(recorder.clone());
    let inventory = listen(Router::new().route("/stock/{item}", get(stock)).layer(layer("inventory"))).await;
    let middleware = XRayMiddleware::new();
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(middleware).build();
    let app = Router::new().route("/orders/{id}", get(order)).with_state(Services { client, inventory });
    let shop = listen(app.layer(layer("shop"))).await;
    let mut calls = JoinSet::new();
    for id in 0..orders {
        calls.spawn(async move {
            let response = reqwest::get(format!("http://{shop}/orders/{id}")).await.unwrap();
            assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, "penink".to_owned()));
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    traces
}

/// The tree of one order. Calls that run together are in the order of their beginning.
const TREE: &str = "\
shop 200
  order [order_id=ID]
    authenticate
    accept
      parse
      validate
    reserve
      reserve_one
        127.0.0.1 remote 200
          inventory 200
            stock
              count
      reserve_one
        127.0.0.1 remote 200
          inventory 200
            stock
              count
    customer
      read_cache
      read_profile
    price
      read_discounts
      add_taxes
    persist
      write
      write_audit
    pack
    notify
    render
";

fn check(runtime: &tokio::runtime::Runtime) {
    const ORDERS: u64 = 100;
    // Both tests have the subscriber of the process, as a program has.
    let _ = tracing_subscriber::registry().with(SubsegmentLayer::new().annotate(["order_id"])).try_init();
    let traces = runtime.block_on(serve(ORDERS));
    let mut documents = 0;
    let mut trees: Vec<_> = traces
        .take()
        .traces()
        .into_iter()
        .map(|trace| {
            documents += 1;
            let id = trace.find("order").annotation("order_id").as_u64().unwrap();
            (id, trace.tree())
        })
        .collect();
    trees.sort();
    assert_eq!(documents, ORDERS);
    for (number, (id, tree)) in trees.into_iter().enumerate() {
        assert_eq!(id, number as u64);
        assert_eq!(tree, TREE.replace("ID", &id.to_string()));
    }
}

#[test]
fn the_tree_is_that_of_the_program_on_many_threads() {
    check(&Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap());
}

#[test]
fn the_tree_is_that_of_the_program_on_one_thread() {
    check(&Builder::new_current_thread().enable_all().build().unwrap());
}
