//! SQLite, in process.

use sqlx::sqlite::SqlitePoolOptions;

use crate::support::{self, Expected, failed as members};

type Pool = xray_sqlx::SqlitePool;
type Database = sqlx::Sqlite;

fn options(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections)
}

async fn pool(connections: u32) -> Option<Pool> {
    pool_with(options(connections)).await
}

async fn pool_with(options: SqlitePoolOptions) -> Option<Pool> {
    Some(support::pool(options.connect("sqlite::memory:").await.unwrap()))
}

async fn expected(_pool: &Pool) -> Expected {
    Expected {
        name: ":memory:@localhost".to_owned(),
        sql: json!({"url": "sqlite://localhost/:memory:", "database_type": "SQLite", "driver_version": "sqlx 0.9"}),
    }
}

fn missing_table() -> serde_json::Value {
    members(
        "fault",
        &[
            ("SQLite 1", "error returned from database: (code: 1) no such table: ?"),
            ("SqliteError", "(code: 1) no such table: ?"),
        ],
    )
}

fn unique_violation() -> serde_json::Value {
    members(
        "error",
        &[
            ("SQLite 2067", "error returned from database: (code: 2067) UNIQUE constraint failed: violated.name"),
            ("SqliteError", "(code: 2067) UNIQUE constraint failed: violated.name"),
        ],
    )
}

cases!("?", "CREATE UNIQUE INDEX violated_name ON violated (name)");
