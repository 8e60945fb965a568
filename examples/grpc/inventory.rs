//! The service: an inventory, which calls that of its supplier for items that it does not have.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;
use tonic::{Request, Response, Status, Streaming};
use xray_core::FutureExt;

use crate::api::{InventoryClient, Item, Stock, Stocks};

/// An inventory with a lamp, or that of the supplier, who has a desk.
pub(crate) struct Inventory {
    pub(crate) has: &'static str,
    pub(crate) supplier: Option<InventoryClient>,
}

impl Inventory {
    /// Reserves one item. A status other than OK appears in the trace, with its message.
    pub(crate) async fn reserve(self: Arc<Self>, request: Request<Item>) -> Result<Response<Stock>, Status> {
        let item = request.into_inner();
        xray_core::annotate("item", &item.name);
        if item.name.is_empty() {
            return Err(Status::invalid_argument("an item needs a name"));
        }
        sleep(Duration::from_millis(5)).in_subsegment("look at the shelf").await;
        match self.supplier.clone() {
            _ if item.name == self.has => Ok(Response::new(Stock { item: item.name, count: 1 })),
            // The call is a subsegment of this request.
            Some(mut supplier) => supplier.reserve(item).await,
            None => Err(Status::unavailable("100% of the wood is used up")),
        }
    }

    /// Counts new items. The segment lasts until the last one has arrived.
    pub(crate) async fn restock(self: Arc<Self>, request: Request<Streaming<Item>>) -> Result<Response<Stock>, Status> {
        let items: Vec<_> = request.into_inner().try_collect().await?;
        xray_core::annotate("items", items.len());
        Ok(Response::new(Stock { item: self.has.to_owned(), count: u32::try_from(items.len()).unwrap_or(u32::MAX) }))
    }

    /// Reports the stock again and again. The segment lasts as long as the stream.
    pub(crate) async fn watch(self: Arc<Self>, request: Request<Item>) -> Result<Response<Stocks>, Status> {
        let item = request.into_inner().name;
        let stocks = stream::iter(1..=3).then(move |count| {
            let item = item.clone();
            async move {
                sleep(Duration::from_millis(8)).in_subsegment("count").await;
                Ok(Stock { item, count })
            }
        });
        Ok(Response::new(stocks.boxed()))
    }
}
