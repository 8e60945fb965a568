//! Databases: names and urls, from their parts or from a connection url.

use serde_json::{Value, json};
use xray_core::Sql;

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let input = &case["input"];
    let text = |name: &str| input[name].as_str();
    let sql = match text("dsn") {
        Some(dsn) => Sql::from_url(dsn),
        None => {
            let part = |name: &str| text(name).unwrap_or_default();
            let port = input["port"].as_u64().map(|port| u16::try_from(port).expect("a port has 16 bits"));
            Sql::to(part("kind"), part("host"), port, part("database"), text("user"))
        }
    };
    Verdict::new(json!({"name": sql.name(), "url": sql.url(), "user": sql.user()}), case["expected"].clone())
}
