//! Segments whose documents are compared.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use xray_behaviours::documents::recorder_built;
use xray_core::sampling::Always;
use xray_sqlx::{Driver, Pool};

/// Longer than any wait for a connection.
pub(crate) const NO_WAIT: Duration = Duration::from_secs(3600);
/// Longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Shorter than any query that sleeps.
pub(crate) const SHORT: Duration = Duration::from_secs(1);

/// Runs work in a segment that collects queries, and returns its result and the recorded subsegments.
pub(crate) async fn traced<T>(work: impl Future<Output = T>) -> (T, Value) {
    traced_with(true, work).await
}

/// Runs work in a segment, and returns its result and the recorded subsegments.
pub(crate) async fn traced_with<T>(collect: bool, work: impl Future<Output = T>) -> (T, Value) {
    let (recorder, mut documents) = recorder_built(Always, |builder| builder.collect_sql_queries(collect));
    let segment = recorder.begin("web");
    let result = tokio::time::timeout(LONG, segment.scope(work)).await.expect("the work ends");
    segment.close();
    let mut document = documents.next().await;
    documents.assert_empty();
    assert_eq!((&document["name"], document.get("metadata")), (&json!("web"), None));
    match document["subsegments"].take() {
        Value::Null => (result, json!([])),
        subsegments => (result, subsegments),
    }
}

/// What is recorded of one database.
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) sql: Value,
}

impl Expected {
    /// A query with arguments.
    pub(crate) fn prepared(&self, text: &str) -> Value {
        self.with(Some("statement"), text, json!({}))
    }

    /// A query without arguments.
    pub(crate) fn simple(&self, text: &str) -> Value {
        self.with(None, text, json!({}))
    }

    /// The beginning or the end of a transaction, and the like.
    pub(crate) fn operation(&self, operation: &str) -> Value {
        self.with(None, operation, json!({"metadata": {"sql": {"operation": operation}}}))
    }

    fn with(&self, preparation: Option<&str>, text: &str, more: Value) -> Value {
        let mut sql = self.sql.clone();
        if let Some(preparation) = preparation {
            sql["preparation"] = preparation.into();
        }
        if !text.is_empty() {
            sql["sanitized_query"] = text.into();
        }
        and(json!({"name": self.name, "namespace": "remote", "sql": sql}), more)
    }
}

/// Adds members.
pub(crate) fn and(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// The members of a failed call.
pub(crate) fn failed(flag: &str, causes: &[(&str, &str)]) -> Value {
    json!({flag: true, "cause": causes})
}

/// The members of a cancelled call.
pub(crate) fn cancelled() -> Value {
    json!({"metadata": {"xray": {"cancelled": true}}})
}

/// A pool that records no waits.
pub(crate) fn pool<DB: Driver>(raw: sqlx::Pool<DB>) -> Pool<DB> {
    Pool::from(raw).with_min_wait(NO_WAIT)
}
