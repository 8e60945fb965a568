//! The clients against moto's server, an independent emulator of AWS.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, KeySchemaElement, KeyType, ProvisionedThroughput, ReturnConsumedCapacity,
    ScalarAttributeType,
};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use aws_types::SdkConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use xray_aws_sdk::{Allowlist, XRayInterceptor, client};

use crate::stub::{call, config, recorded};

/// The variable with the path of moto's program, if it is not on `PATH`. `.ci/run` installs moto and sets it.
const VARIABLE: &str = "XRAY_TEST_MOTO_SERVER";

const FORM: &str = "application/x-www-form-urlencoded";

/// A running server.
struct Moto {
    child: Child,
    address: String,
}

impl Moto {
    /// Returns `None` if the program is missing. On CI, that is a failure.
    fn start() -> Option<Moto> {
        Moto::spawn()
            .map_err(|problem| {
                let advice = "run `python3 -m pip install 'moto[server]==5.2.1'`, and set the path of `moto_server` in";
                let message = format!("cannot start moto's server: {problem}\n{advice} {VARIABLE}");
                let is_required = [VARIABLE, "CI"].into_iter().any(|name| std::env::var_os(name).is_some());
                assert!(!is_required, "{message}");
                // Bypasses the test harness, which hides the output of tests that pass.
                let _ = writeln!(std::io::stderr(), "skipped: {message}");
            })
            .ok()
    }

    fn spawn() -> Result<Moto, String> {
        let program = std::env::var_os(VARIABLE).unwrap_or_else(|| "moto_server".into());
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut moto = Moto { child, address: String::new() };
        let mut seen = Vec::new();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("Running on http://") {
                moto.address = address.trim().to_owned();
                break;
            }
            seen.push(line);
        }
        if moto.address.is_empty() {
            return Err(seen.join("\n"));
        }
        // The server logs each request, and would block if the pipe filled up.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(moto)
    }

    fn config(&self) -> SdkConfig {
        config(&format!("http://{}", self.address))
    }

    /// Sends an unsigned request to IAM or to the server's own API.
    async fn post(&self, target: &str, content_type: &str, body: &str) -> String {
        let scope = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request";
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: {scope}, SignedHeaders=host, \
             Signature=x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        response
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes one call. Returns its result and its document, with IDs and lengths replaced by a constant.
async fn one<T>(work: impl Future<Output = T>) -> (T, Value) {
    let (result, trace) = recorded(work).await;
    let mut call = call(&trace);
    for place in ["/aws/request_id", "/aws/id_2", "/http/response/content_length"] {
        if let Some(value) = call.pointer_mut(place) {
            *value = "there".into();
        }
    }
    (result, call)
}

/// Returns the document of a call of `service` with this status, and `parameters` in its `aws` block.
fn document(service: &str, operation: &str, status: u16, parameters: Value) -> Value {
    let mut aws = json!({"operation": operation, "region": "eu-west-1", "request_id": "there", "retries": 0});
    aws.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    let response = json!({"status": status, "content_length": "there"});
    json!({"name": service, "namespace": "aws", "aws": aws, "http": {"response": response}})
}

/// Returns the document of a call that the service rejected.
fn rejected(service: &str, operation: &str, status: u16, parameters: Value, kind: &str, message: &str) -> Value {
    let mut document = document(service, operation, status, parameters);
    document["error"] = true.into();
    document["cause"] = json!([{"type": kind, "message": message, "remote": true}]);
    document
}

#[tokio::test]
async fn calls_of_every_service_are_recorded() {
    let Some(moto) = Moto::start() else { return };
    let config = moto.config();
    dynamodb(&config).await;
    s3(&config).await;
    sqs(&config).await;
    sns(&config).await;
    lambda(&config).await;
    secrets(&config).await;
}

async fn dynamodb(config: &SdkConfig) {
    let dynamodb = client!(aws_sdk_dynamodb, config);
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build();
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build();
    let throughput = ProvisionedThroughput::builder().read_capacity_units(1).write_capacity_units(2).build();
    let create = dynamodb.create_table().table_name("orders").attribute_definitions(id.unwrap());
    let create = create.key_schema(key.unwrap()).provisioned_throughput(throughput.unwrap());
    let (result, got) = one(create.send()).await;
    result.unwrap();
    let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 2});
    let parameters = json!({"table_name": "orders", "provisioned_throughput": throughput});
    assert_eq!(got, document("DynamoDB", "CreateTable", 200, parameters));

    let put = dynamodb.put_item().table_name("orders").item("id", AttributeValue::S("7".into()));
    let (result, got) = one(put.return_consumed_capacity(ReturnConsumedCapacity::Total).send()).await;
    result.unwrap();
    let capacity = json!({"TableName": "orders", "CapacityUnits": 1.0});
    let parameters = json!({"table_name": "orders", "consumed_capacity": capacity});
    assert_eq!(got, document("DynamoDB", "PutItem", 200, parameters));

    let get = dynamodb.get_item().table_name("orders").key("id", AttributeValue::S("7".into())).consistent_read(true);
    let (result, got) = one(get.send()).await;
    assert!(result.unwrap().item().is_some());
    let parameters = json!({"table_name": "orders", "consistent_read": true});
    assert_eq!(got, document("DynamoDB", "GetItem", 200, parameters));

    let (result, got) = one(dynamodb.list_tables().limit(5).send()).await;
    result.unwrap();
    assert_eq!(got, document("DynamoDB", "ListTables", 200, json!({"limit": 5, "table_count": 1})));

    let (result, got) = one(dynamodb.scan().table_name("orders").send()).await;
    result.unwrap();
    let parameters = json!({"table_name": "orders", "count": 1, "scanned_count": 1});
    assert_eq!(got, document("DynamoDB", "Scan", 200, parameters));

    let again = dynamodb.put_item().table_name("orders").item("id", AttributeValue::S("7".into()));
    let (result, got) = one(again.condition_expression("attribute_not_exists(id)").send()).await;
    assert!(result.unwrap_err().into_service_error().is_conditional_check_failed_exception());
    let (kind, message) = ("ConditionalCheckFailedException", "The conditional request failed");
    assert_eq!(got, rejected("DynamoDB", "PutItem", 400, json!({"table_name": "orders"}), kind, message));
}

async fn s3(config: &SdkConfig) {
    let s3 = client!(aws_sdk_s3, config);
    let of_s3 = |operation: &str, status: u16, parameters: Value| document("S3", operation, status, parameters);
    let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest1).build();
    let (result, got) = one(s3.create_bucket().bucket("photos").create_bucket_configuration(place).send()).await;
    result.unwrap();
    assert_eq!(got, of_s3("CreateBucket", 200, json!({"bucket_name": "photos"})));

    let cat = json!({"bucket_name": "photos", "key": "pets/a cat.jpg"});
    let put = s3.put_object().bucket("photos").key("pets/a cat.jpg").body(b"meow".to_vec().into());
    let (result, got) = one(put.send()).await;
    result.unwrap();
    assert_eq!(got, of_s3("PutObject", 200, cat.clone()));

    let (body, got) = one(async {
        let get = s3.get_object().bucket("photos").key("pets/a cat.jpg");
        get.send().await.unwrap().body.collect().await.unwrap().into_bytes()
    })
    .await;
    assert_eq!((body.as_ref(), got), (&b"meow"[..], of_s3("GetObject", 200, cat)));

    let (result, got) = one(s3.list_objects_v2().bucket("photos").prefix("pets/").send()).await;
    assert_eq!(result.unwrap().contents().len(), 1);
    assert_eq!(got, of_s3("ListObjectsV2", 200, json!({"bucket_name": "photos", "prefix": "pets/"})));

    let dog = json!({"bucket_name": "photos", "key": "dog"});
    let (result, got) = one(s3.get_object().bucket("photos").key("dog").send()).await;
    assert!(result.unwrap_err().into_service_error().is_no_such_key());
    let message = "The specified key does not exist.";
    assert_eq!(got, rejected("S3", "GetObject", 404, dog.clone(), "NoSuchKey", message));

    let (result, mut got) = one(s3.head_object().bucket("photos").key("dog").send()).await;
    assert!(result.unwrap_err().into_service_error().is_not_found());
    got["http"]["response"]["content_length"] = "there".into();
    assert_eq!(got, rejected("S3", "HeadObject", 404, dog, "NotFound", "NotFound"));
}

async fn sqs(config: &SdkConfig) {
    let sqs = client!(aws_sdk_sqs, config);
    let (result, got) = one(sqs.create_queue().queue_name("orders").send()).await;
    let queue = result.unwrap().queue_url.unwrap();
    assert_eq!(got, document("SQS", "CreateQueue", 200, json!({"queue_name": "orders"})));

    let (result, got) = one(sqs.send_message().queue_url(&queue).message_body("s3cret").send()).await;
    let id = result.unwrap().message_id.unwrap();
    assert_eq!(got, document("SQS", "SendMessage", 200, json!({"queue_url": queue, "message_id": id})));

    let (result, got) = one(sqs.receive_message().queue_url(&queue).max_number_of_messages(1).send()).await;
    assert_eq!(result.unwrap().messages().len(), 1);
    let parameters = json!({"queue_url": queue, "max_number_of_messages": 1, "message_count": 1});
    assert_eq!(got, document("SQS", "ReceiveMessage", 200, parameters));

    let missing = format!("{queue}-not");
    let (result, got) = one(sqs.purge_queue().queue_url(&missing).send()).await;
    assert!(result.unwrap_err().into_service_error().is_queue_does_not_exist());
    let message = got["cause"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("does not exist"), "{message}");
    let want = rejected("SQS", "PurgeQueue", 400, json!({"queue_url": missing}), "QueueDoesNotExist", &message);
    assert_eq!(got, want);
}

async fn sns(config: &SdkConfig) {
    let sns = client!(aws_sdk_sns, config);
    let (result, got) = one(sns.create_topic().name("orders").send()).await;
    let topic = result.unwrap().topic_arn.unwrap();
    assert_eq!(got, document("SNS", "CreateTopic", 200, json!({})));
    let (result, got) = one(sns.publish().topic_arn(&topic).message("s3cret").send()).await;
    result.unwrap();
    assert_eq!(got, document("SNS", "Publish", 200, json!({"topic_arn": topic})));
    let missing = format!("{topic}-not");
    let (result, got) = one(sns.publish().topic_arn(&missing).message("s3cret").send()).await;
    assert!(result.unwrap_err().into_service_error().is_not_found_exception());
    let message = "Endpoint does not exist";
    assert_eq!(got, rejected("SNS", "Publish", 404, json!({"topic_arn": missing}), "NotFound", message));
}

async fn lambda(config: &SdkConfig) {
    let lambda = client!(aws_sdk_lambda, config);
    let (result, got) = one(lambda.list_functions().send()).await;
    result.unwrap();
    assert_eq!(got, document("Lambda", "ListFunctions", 200, json!({})));
    let (result, got) = one(lambda.invoke().function_name("missing").send()).await;
    assert!(result.unwrap_err().into_service_error().is_resource_not_found_exception());
    let message = got["cause"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("missing"), "{message}");
    let parameters = json!({"function_name": "missing", "status_code": 404});
    assert_eq!(got, rejected("Lambda", "Invoke", 404, parameters, "ResourceNotFoundException", &message));
}

async fn secrets(config: &SdkConfig) {
    let list = r#"{"services": {"secretsmanager": {"operations": {
        "createSecret": {"request_parameters": ["Name"]},
        "getSecretValue": {"request_parameters": ["SecretId"],
            "response_descriptors": {"VersionStages": {"list": true, "get_count": true}}}
    }}}}"#;
    let interceptor = XRayInterceptor::new().allowlist(Allowlist::default().extend_json(list).unwrap());
    let secrets = client!(aws_sdk_secretsmanager, config, interceptor);
    let (result, got) = one(secrets.create_secret().name("db").secret_string("s3cret").send()).await;
    result.unwrap();
    assert_eq!(got, document("SecretsManager", "CreateSecret", 200, json!({"name": "db"})));
    let (result, got) = one(secrets.get_secret_value().secret_id("db").send()).await;
    assert_eq!(result.unwrap().secret_string(), Some("s3cret"));
    let parameters = json!({"secret_id": "db", "version_stages": 1});
    assert_eq!(got, document("SecretsManager", "GetSecretValue", 200, parameters));
    let (result, got) = one(secrets.get_secret_value().secret_id("not").send()).await;
    assert!(result.unwrap_err().into_service_error().is_resource_not_found_exception());
    let (kind, message) = ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    assert_eq!(got, rejected("SecretsManager", "GetSecretValue", 404, json!({"secret_id": "not"}), kind, message));
}

#[tokio::test]
async fn signatures_are_accepted() {
    let Some(moto) = Moto::start() else { return };
    moto.post("/", FORM, "Action=CreateUser&Version=2010-05-08&UserName=u").await;
    let allow_all = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
    let policy = "Action=PutUserPolicy&Version=2010-05-08&UserName=u&PolicyName=p&PolicyDocument=";
    moto.post("/", FORM, &format!("{policy}{allow_all}")).await;
    let key = moto.post("/", FORM, "Action=CreateAccessKey&Version=2010-05-08&UserName=u").await;
    let element = |name: &str| {
        let (_, rest) = key.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let credentials = |secret: String| {
        let credentials = Credentials::new(element("AccessKeyId"), secret, None, None, "test");
        moto.config().to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
    };
    // From now on, moto accepts only requests that are signed by a known key.
    moto.post("/moto-api/reset-auth", "text/plain", "0").await;

    let right = credentials(element("SecretAccessKey"));
    let (result, got) = one(client!(aws_sdk_sqs, &right).list_queues().send()).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(got["http"]["response"]["status"], 200);
    let (result, _) = one(client!(aws_sdk_dynamodb, &right).list_tables().send()).await;
    assert!(result.is_ok(), "{result:?}");

    let (result, got) = one(client!(aws_sdk_dynamodb, &credentials("wrong".into())).list_tables().send()).await;
    assert!(result.is_err());
    assert_eq!((&got["error"], &got["cause"][0]["remote"]), (&json!(true), &json!(true)));
}
