//! The SDK's own clients, for the operations that most recordings use.

use std::pin::Pin;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Map, Value};
use xray_aws_sdk::{XRayInterceptor, client};

use super::members::Member;
use super::{REGION, Scenario};

/// A call, whose result is whether it succeeded.
type Call = Pin<Box<dyn Future<Output = bool> + Send>>;

pub(super) fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// Returns a configuration with as many retries as the reference, but without delay.
pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1))
}

fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::from_keys("AKID", "s3cret", None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client())
        .retry_config(retries())
        .build()
}

/// Returns the call of a real client, or `None` if the operation or one of its members has no entry below.
pub(super) fn call(scenario: &Scenario, endpoint: &str) -> Option<Call> {
    let (command, input, config) = (scenario.command.as_str(), scenario.input.clone(), config(endpoint));
    match scenario.client.as_str() {
        "DynamoDB" => dynamodb(&client!(aws_sdk_dynamodb, &config), command, input),
        "Lambda" => lambda(&client!(aws_sdk_lambda, &config), command, input),
        // Objects are not read, and in the recordings a call ends with the head of the response.
        "S3" => s3(&client!(aws_sdk_s3, &config, XRayInterceptor::new().end_at_headers(true)), command, input),
        "SecretsManager" => secrets(&client!(aws_sdk_secretsmanager, &config), command, input),
        "SNS" => sns(&client!(aws_sdk_sns, &config), command, input),
        "SQS" => sqs(&client!(aws_sdk_sqs, &config), command, input),
        _ => None,
    }
}

/// Defines a function that selects an operation by name and sets the members of its input by name.
macro_rules! operations {
    ($service:ident, $client:ty; $($name:literal $method:ident { $($member:literal $set:ident),* $(,)? })*) => {
        fn $service(client: &$client, command: &str, mut input: Map<String, Value>) -> Option<Call> {
            match command {
                $($name => {
                    let call = client.$method();
                    $(let call = match input.remove($member) {
                        Some(value) => call.$set(Some(Member::of(&value)?)),
                        None => call,
                    };)*
                    input.is_empty().then(|| -> Call { Box::pin(async { call.send().await.is_ok() }) })
                })*
                _ => None,
            }
        }
    };
}

operations!(dynamodb, aws_sdk_dynamodb::Client;
    "DeleteItem" delete_item {
        "Key" set_key, "ReturnConsumedCapacity" set_return_consumed_capacity, "TableName" set_table_name,
    }
    "DeleteTable" delete_table { "TableName" set_table_name }
    "DescribeTable" describe_table { "TableName" set_table_name }
    "GetItem" get_item {
        "ConsistentRead" set_consistent_read, "Key" set_key, "ProjectionExpression" set_projection_expression,
        "ReturnConsumedCapacity" set_return_consumed_capacity, "TableName" set_table_name,
    }
    "ListTables" list_tables { "ExclusiveStartTableName" set_exclusive_start_table_name, "Limit" set_limit }
    "PutItem" put_item {
        "ConditionExpression" set_condition_expression, "Item" set_item,
        "ReturnConsumedCapacity" set_return_consumed_capacity, "ReturnValues" set_return_values,
        "TableName" set_table_name,
    }
    "Query" query {
        "AttributesToGet" set_attributes_to_get, "ConsistentRead" set_consistent_read,
        "ExpressionAttributeNames" set_expression_attribute_names,
        "ExpressionAttributeValues" set_expression_attribute_values, "IndexName" set_index_name,
        "KeyConditionExpression" set_key_condition_expression, "Limit" set_limit,
        "ProjectionExpression" set_projection_expression,
        "ReturnConsumedCapacity" set_return_consumed_capacity, "ScanIndexForward" set_scan_index_forward,
        "Select" set_select, "TableName" set_table_name,
    }
    "Scan" scan {
        "AttributesToGet" set_attributes_to_get, "ConsistentRead" set_consistent_read, "IndexName" set_index_name,
        "Limit" set_limit, "ProjectionExpression" set_projection_expression,
        "ReturnConsumedCapacity" set_return_consumed_capacity, "Segment" set_segment, "Select" set_select,
        "TableName" set_table_name, "TotalSegments" set_total_segments,
    }
    "UpdateItem" update_item {
        "ExpressionAttributeNames" set_expression_attribute_names,
        "ExpressionAttributeValues" set_expression_attribute_values, "Key" set_key,
        "ReturnConsumedCapacity" set_return_consumed_capacity, "ReturnValues" set_return_values,
        "TableName" set_table_name, "UpdateExpression" set_update_expression,
    }
);

operations!(lambda, aws_sdk_lambda::Client;
    "GetFunction" get_function { "FunctionName" set_function_name, "Qualifier" set_qualifier }
    "Invoke" invoke {
        "FunctionName" set_function_name, "InvocationType" set_invocation_type, "LogType" set_log_type,
        "Payload" set_payload, "Qualifier" set_qualifier,
    }
);

operations!(s3, aws_sdk_s3::Client;
    "CopyObject" copy_object { "Bucket" set_bucket, "CopySource" set_copy_source, "Key" set_key }
    "CreateBucket" create_bucket { "Bucket" set_bucket }
    "DeleteBucket" delete_bucket { "Bucket" set_bucket }
    "DeleteObject" delete_object { "Bucket" set_bucket, "Key" set_key, "VersionId" set_version_id }
    "GetBucketLocation" get_bucket_location { "Bucket" set_bucket }
    "GetObject" get_object { "Bucket" set_bucket, "Key" set_key, "Range" set_range, "VersionId" set_version_id }
    "GetObjectTagging" get_object_tagging { "Bucket" set_bucket, "Key" set_key, "VersionId" set_version_id }
    "HeadBucket" head_bucket { "Bucket" set_bucket }
    "HeadObject" head_object { "Bucket" set_bucket, "Key" set_key, "VersionId" set_version_id }
    "ListBuckets" list_buckets {}
    "ListObjects" list_objects { "Bucket" set_bucket, "MaxKeys" set_max_keys, "Prefix" set_prefix }
    "ListObjectsV2" list_objects_v2 { "Bucket" set_bucket, "MaxKeys" set_max_keys, "Prefix" set_prefix }
    "PutObject" put_object {
        "Body" set_body, "Bucket" set_bucket, "ContentType" set_content_type, "Key" set_key,
    }
);

operations!(secrets, aws_sdk_secretsmanager::Client;
    "GetSecretValue" get_secret_value { "SecretId" set_secret_id, "VersionId" set_version_id }
);

operations!(sns, aws_sdk_sns::Client;
    "Publish" publish { "Message" set_message, "Subject" set_subject, "TopicArn" set_topic_arn }
);

operations!(sqs, aws_sdk_sqs::Client;
    "ChangeMessageVisibility" change_message_visibility {
        "QueueUrl" set_queue_url, "ReceiptHandle" set_receipt_handle, "VisibilityTimeout" set_visibility_timeout,
    }
    "CreateQueue" create_queue { "QueueName" set_queue_name }
    "DeleteMessage" delete_message { "QueueUrl" set_queue_url, "ReceiptHandle" set_receipt_handle }
    "DeleteQueue" delete_queue { "QueueUrl" set_queue_url }
    "GetQueueAttributes" get_queue_attributes { "AttributeNames" set_attribute_names, "QueueUrl" set_queue_url }
    "GetQueueUrl" get_queue_url {
        "QueueName" set_queue_name, "QueueOwnerAWSAccountId" set_queue_owner_aws_account_id,
    }
    "ListQueues" list_queues { "QueueNamePrefix" set_queue_name_prefix }
    "PurgeQueue" purge_queue { "QueueUrl" set_queue_url }
    "ReceiveMessage" receive_message {
        "MaxNumberOfMessages" set_max_number_of_messages, "MessageAttributeNames" set_message_attribute_names,
        "MessageSystemAttributeNames" set_message_system_attribute_names, "QueueUrl" set_queue_url,
        "VisibilityTimeout" set_visibility_timeout, "WaitTimeSeconds" set_wait_time_seconds,
    }
    "SendMessage" send_message {
        "DelaySeconds" set_delay_seconds, "MessageAttributes" set_message_attributes,
        "MessageBody" set_message_body, "QueueUrl" set_queue_url,
    }
    "SendMessageBatch" send_message_batch { "Entries" set_entries, "QueueUrl" set_queue_url }
);
