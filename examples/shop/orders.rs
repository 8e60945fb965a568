//! The handlers of the shop, and the data that they record.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::{Value, json};
use tokio::time::sleep;
use xray_axum::XRaySegment;
use xray_core::FutureExt;
use xray_reqwest::{SubsegmentName, XRayMiddleware};

/// Shows one order: a traced future, then two captured functions, one inside the other.
pub(crate) async fn show(Path(id): Path<u32>) -> Result<Json<Value>, ShopError> {
    xray_core::annotate("order_id", id);
    let order = load(id).try_in_subsegment("load order").await?;
    let total = xray_core::capture("price", |subsegment| {
        subsegment.annotate("items", 3);
        xray_core::capture("taxes", |_| 7 + 3 * id)
    });
    Ok(Json(json!({ "order": order, "total": total })))
}

async fn load(id: u32) -> Result<String, ShopError> {
    sleep(Duration::from_millis(20)).await;
    if id == 0 { Err(ShopError::NotFound) } else { Ok(format!("order {id}")) }
}

/// Buys items: reserves them concurrently at the inventory, which makes them siblings in the trace, then charges the
/// customer, which may be refused.
pub(crate) async fn checkout(
    State(inventory): State<Inventory>,
    segment: XRaySegment,
    Query(cart): Query<Vec<(String, String)>>,
) -> Result<String, ShopError> {
    let customer = cart.iter().find(|(key, _)| key == "customer").map_or("anonymous", |(_, value)| value);
    segment.set_user(customer).annotate("customer", customer).metadata("cart", &cart);
    let items = cart.iter().filter(|(key, _)| key == "item").map(|(_, item)| inventory.reserve(item));
    for reserved in join_all(items).await {
        reserved?;
    }
    charge(customer).try_in_subsegment("charge").await?;
    Ok(format!("thank you, {customer}\n"))
}

/// Client for the inventory, another service.
#[derive(Clone)]
pub(crate) struct Inventory {
    client: ClientWithMiddleware,
    address: SocketAddr,
}

impl Inventory {
    pub(crate) fn new(address: SocketAddr) -> Inventory {
        let client = ClientBuilder::new(reqwest::Client::new()).with(XRayMiddleware::new().traced(true)).build();
        Inventory { client, address }
    }

    async fn reserve(&self, item: &str) -> Result<(), ShopError> {
        let url = format!("http://{}/reserve/{item}", self.address);
        match self.client.get(url).with_extension(SubsegmentName::from("inventory")).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            _ => Err(ShopError::NotInStock),
        }
    }
}

async fn charge(customer: &str) -> Result<(), ShopError> {
    sleep(Duration::from_millis(30)).await;
    if customer == "mallory" { Err(ShopError::PaymentRefused) } else { Ok(()) }
}

/// Creates a report in many small steps. When there are many subsegments, they are sent before the segment.
pub(crate) async fn report() -> String {
    let lines = (1..=150).map(|day| xray_core::capture("count a day", |_| format!("day {day}: sold out\n")));
    lines.collect()
}

/// The errors of the shop.
#[derive(Debug)]
pub(crate) enum ShopError {
    NotFound,
    NotInStock,
    PaymentRefused,
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShopError::NotFound => "no such order",
            ShopError::NotInStock => "an item is not in stock",
            ShopError::PaymentRefused => "the payment was refused",
        })
    }
}

impl std::error::Error for ShopError {}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        // The layer sees only the response, not the error, so record the error here.
        let status = match self {
            ShopError::NotFound => {
                xray_core::current_segment().error(&self);
                StatusCode::NOT_FOUND
            }
            ShopError::NotInStock | ShopError::PaymentRefused => {
                xray_core::current_segment().fault(&self);
                StatusCode::BAD_GATEWAY
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}
