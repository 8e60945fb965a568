//! The spans of mysql_async, recorded by `xray-tracing`, with a real server.

#![allow(clippy::unwrap_used, reason = "tests")]

use mysql_async::prelude::*;
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use xray_databases::traced::Traced;
use xray_tracing::SubsegmentLayer;

#[tokio::test]
async fn spans_of_mysql_async_are_calls_without_values() {
    let Some(server) = xray_databases::mariadb() else { return };
    // At this level, the driver records texts and parameters on its spans.
    let subscriber = tracing_subscriber::registry().with(SubsegmentLayer::new()).with(LevelFilter::DEBUG);
    let _subscriber = subscriber.set_default();
    let mut connection = mysql_async::Conn::from_url(server.url()).await.unwrap();
    let traced = Traced::begin_with(false);
    let request = async {
        connection.query_drop("CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(20))").await.unwrap();
        connection.exec_drop("INSERT INTO items VALUES (?, ?)", (7, "planted")).await.unwrap();
        assert!(connection.query_drop("INSERT INTO items VALUES ('planted', '')").await.is_err());
    };
    traced.segment.scope(request).await;
    let mut documents = traced.finish();
    let call = |name: &str| json!({"name": name, "namespace": "remote", "sql": {"database_type": "MySQL"}});
    let names = ["mysql_async::query", "mysql_async::prepare", "mysql_async::exec", "mysql_async::query"];
    assert_eq!(documents[3]["fault"].take(), true);
    assert_eq!(documents[3]["cause"].take()["exceptions"][0]["message"], "Server error: `?`");
    documents[3].as_object_mut().unwrap().retain(|_, value| *value != Value::Null);
    assert_eq!(documents, json!(names.map(call)));
    connection.disconnect().await.unwrap();
}
