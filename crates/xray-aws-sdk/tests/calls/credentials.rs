//! The default credential providers, each against a stub of the service it calls. They are configured by the
//! environment, so each runs in its own process.

use std::path::Path;
use std::process::Command;

use aws_smithy_http_client::Builder as HttpBuilder;
use xray_aws_sdk::{XRayHttpClient, client};

use crate::documents::{JSON, get_item};
use crate::stub::{ScriptedResponse, Stub, recorded, reply};

/// Set in the child process, which makes the calls.
const CHILD: &str = "XRAY_TEST_CREDENTIALS";

const XML: &[(&str, &str)] = &[("content-type", "text/xml")];
const TTL: &[(&str, &str)] = &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
const IMDS: &str = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"A","SecretAccessKey":"s","Token":"t",
    "LastUpdated":"2020-01-01T00:00:00Z","Expiration":"2099-01-01T00:00:00Z"}"#;
const CONTAINER: &str = r#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
const SSO: &str =
    r#"{"roleCredentials":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}"#;

fn assumed(operation: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{operation}Result></{operation}Response>"
    )
}

/// The requests that a provider makes, in order, and its environment. `{url}` stands for the stub, `{dir}` for a
/// directory.
struct Case {
    name: &'static str,
    requests: Vec<(&'static str, ScriptedResponse)>,
    environment: &'static [(&'static str, &'static str)],
}

fn cases() -> [Case; 5] {
    [
        Case {
            name: "IMDS",
            requests: vec![
                ("PUT /latest/api/token", reply(200, TTL, "token")),
                ("GET /latest/meta-data/iam/security-credentials/", reply(200, &[], "role")),
                ("GET /latest/meta-data/iam/security-credentials/role", reply(200, &[], IMDS)),
            ],
            environment: &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{url}")],
        },
        Case {
            name: "containers",
            requests: vec![("GET /credentials", reply(200, JSON, CONTAINER))],
            environment: &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{url}/credentials")],
        },
        Case {
            name: "AssumeRole",
            requests: vec![("POST /", reply(200, XML, assumed("AssumeRole")))],
            environment: &[("AWS_PROFILE", "assume")],
        },
        Case {
            name: "AssumeRoleWithWebIdentity",
            requests: vec![("POST /", reply(200, XML, assumed("AssumeRoleWithWebIdentity")))],
            environment: &[
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/test"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "{dir}/token"),
            ],
        },
        Case {
            name: "SSO",
            requests: vec![("GET /federation/credentials", reply(200, JSON, SSO))],
            environment: &[("AWS_PROFILE", "sso")],
        },
    ]
}

const PROFILES: &str = "
[profile base]
aws_access_key_id = A
aws_secret_access_key = s
[profile assume]
role_arn = arn:aws:iam::123456789012:role/test
source_profile = base
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = test
";

/// The name of the token's file: SHA-1 of the start URL.
const SSO_TOKEN: &str = "e8be5486177c5b5392bd9aa76563515b29358e6e.json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_credential_providers_are_not_recorded_and_send_no_header() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("credentials");
    let tokens = directory.join(".aws/sso/cache");
    std::fs::create_dir_all(&tokens).unwrap();
    std::fs::write(directory.join("config"), PROFILES).unwrap();
    std::fs::write(directory.join("token"), "jwt").unwrap();
    let token = r#"{"accessToken":"a","expiresAt":"2099-01-01T00:00:00Z"}"#;
    std::fs::write(tokens.join(SSO_TOKEN), token).unwrap();
    for Case { name, requests, environment } in cases() {
        let scripted = requests.iter().map(|(_, response)| response.clone());
        let stub = Stub::responding(scripted.chain([reply(200, JSON, "{}")])).await;
        let directory = directory.to_str().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["credentials::child", "--exact", "--nocapture"]);
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(variable);
        }
        command.env(CHILD, "1").env("HOME", directory).env("AWS_CONFIG_FILE", format!("{directory}/config"));
        command.env("AWS_REGION", "eu-west-1").env("AWS_ENDPOINT_URL", stub.url());
        for (variable, value) in environment {
            command.env(variable, value.replace("{url}", &stub.url()).replace("{dir}", directory));
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(output.status.success(), "{name}: {printed}");

        let seen = stub.take_seen();
        let received: Vec<_> = seen.iter().map(|request| request.target.split('?').next().unwrap()).collect();
        // Two clients make one call each.
        let want: Vec<_> = requests.iter().map(|(target, _)| *target).chain(["POST /", "POST /"]).collect();
        assert_eq!(received, want, "{name}");
        for (index, request) in seen.iter().enumerate() {
            let is_traced = request.header("x-amzn-trace-id").is_some();
            assert_eq!(is_traced, index >= requests.len(), "{name}: {}", request.target);
        }
    }
}

#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    // The loader gives the HTTP client to the providers as well.
    let http = XRayHttpClient::new(HttpBuilder::new().build_http());
    let (_, trace) = recorded(async {
        let shared = aws_config::from_env().http_client(http).load().await;
        get_item(&aws_sdk_dynamodb::Client::new(&shared)).await.unwrap();
        get_item(&client!(aws_sdk_dynamodb, &shared)).await.unwrap();
    })
    .await;
    assert_eq!(trace.tree(), "shop\n  DynamoDB aws 200\n  DynamoDB aws 200\n");
}
