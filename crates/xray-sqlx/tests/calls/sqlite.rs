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

#[tokio::test]
async fn a_locked_database_is_a_fault_and_a_file_is_named_by_its_path() {
    let folder = std::env::temp_dir().join(format!("xray-sqlx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("shop.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let options = options.busy_timeout(std::time::Duration::ZERO);
    let ((), got) = traced(async {
        let mut first = xray_sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let mut second = xray_sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let lock = first.begin_with("BEGIN IMMEDIATE").await.unwrap();
        second.begin_with("BEGIN IMMEDIATE").await.map(|_| ()).unwrap_err();
        lock.commit().await.unwrap();
        first.close().await.unwrap();
    })
    .await;
    std::fs::remove_dir_all(&folder).unwrap();
    let expected = Expected {
        name: "shop.db@localhost".to_owned(),
        sql: json!({
            "url": format!("sqlite://localhost{}", file.display()), "database_type": "SQLite",
            "driver_version": "sqlx 0.9",
        }),
    };
    let mut connect = expected.operation("CONNECT");
    connect["sql"].as_object_mut().unwrap().remove("sanitized_query");
    let begin = and(expected.operation("BEGIN"), json!({"sql": expected.simple("BEGIN IMMEDIATE")["sql"]}));
    let locked = members(
        "fault",
        &[
            ("SQLite 5", "error returned from database: (code: 5) database is locked"),
            ("SqliteError", "(code: 5) database is locked"),
        ],
    );
    assert_eq!(got, json!([connect, connect, begin, and(begin.clone(), locked), expected.operation("COMMIT")]));
}

#[tokio::test]
async fn a_cancelled_call_is_closed_without_a_flag() {
    let Some(pool) = pool(1).await else { return };
    let expected = expected(&pool).await;
    let query =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT count(*) FROM n";
    let ((), got) = traced(async {
        assert!(tokio::time::timeout(SHORT, sqlx::query(query).execute(&pool)).await.is_err());
    })
    .await;
    let text = "WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + ? FROM n WHERE i < ?) SELECT count(*) FROM n";
    assert_eq!(got, json!([and(expected.prepared(text), cancelled())]));
}
