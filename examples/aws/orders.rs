//! Orders: a row in DynamoDB, a receipt in S3, and a message for the warehouse in SQS.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use aws_types::SdkConfig;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use xray_aws_sdk::client;

/// Clients for the table, the bucket and the queue. Tracing needs only one line per client.
#[derive(Clone)]
pub(crate) struct Stores {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
}

type Response = Result<String, StatusCode>;

impl Stores {
    pub(crate) fn new(shared: &SdkConfig) -> Stores {
        Stores {
            dynamodb: client!(aws_sdk_dynamodb, shared),
            s3: client!(aws_sdk_s3, shared),
            sqs: client!(aws_sdk_sqs, shared),
        }
    }

    /// Creates the table, the bucket and the queue, unless they exist.
    pub(crate) async fn create(&self) -> Result<(), Box<dyn std::error::Error>> {
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build()?;
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
        let table = self.dynamodb.create_table().table_name("orders").attribute_definitions(id).key_schema(key);
        if let Err(error) = table.billing_mode(BillingMode::PayPerRequest).send().await
            && !error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception())
        {
            return Err(error.into());
        }
        let location =
            CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest1).build();
        let bucket = self.s3.create_bucket().bucket("receipts").create_bucket_configuration(location);
        if let Err(error) = bucket.send().await
            && !error.as_service_error().is_some_and(|error| error.is_bucket_already_owned_by_you())
        {
            return Err(error.into());
        }
        self.sqs.create_queue().queue_name("warehouse").send().await?;
        Ok(())
    }
}

/// Stores the receipt, writes the row, and sends a message to the warehouse.
pub(crate) async fn place(State(stores): State<Stores>, Path(id): Path<String>) -> Response {
    xray_core::annotate("order_id", &id);
    let receipt = format!("order {id}: paid\n").into_bytes();
    stores.s3.put_object().bucket("receipts").key(&id).body(receipt.into()).send().await.map_err(failed)?;
    let put = stores.dynamodb.put_item().table_name("orders").item("id", AttributeValue::S(id.clone()));
    put.item("state", AttributeValue::S("paid".into())).send().await.map_err(failed)?;
    let queue = stores.sqs.get_queue_url().queue_name("warehouse").send().await.map_err(failed)?;
    let message = stores.sqs.send_message().set_queue_url(queue.queue_url).message_body(&id);
    message.send().await.map_err(failed)?;
    Ok(format!("order {id} is on its way\n"))
}

/// Reads the row of an order.
pub(crate) async fn show(State(stores): State<Stores>, Path(id): Path<String>) -> Response {
    let get = stores.dynamodb.get_item().table_name("orders").key("id", AttributeValue::S(id.clone()));
    let row = get.consistent_read(true).send().await.map_err(failed)?.item.ok_or(StatusCode::NOT_FOUND)?;
    let state = row.get("state").and_then(|state| state.as_s().ok()).map_or("unknown", String::as_str);
    Ok(format!("order {id}: {state}\n"))
}

/// Reads the receipt of an order.
pub(crate) async fn receipt(State(stores): State<Stores>, Path(id): Path<String>) -> Response {
    match stores.s3.get_object().bucket("receipts").key(id).send().await {
        Ok(object) => {
            let text = object.body.collect().await.map_err(failed)?;
            Ok(String::from_utf8_lossy(&text.into_bytes()).into_owned())
        }
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
            Err(StatusCode::NOT_FOUND)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Maps an error to a status. The subsegment of the call has already recorded the error.
fn failed(_: impl std::error::Error) -> StatusCode {
    StatusCode::BAD_GATEWAY
}
