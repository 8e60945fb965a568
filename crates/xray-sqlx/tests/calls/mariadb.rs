//! MariaDB.

use sqlx::mysql::MySqlPoolOptions;

use crate::support::{self, Expected, failed as members};

type Pool = xray_sqlx::MySqlPool;
type Database = sqlx::MySql;

fn options(connections: u32) -> MySqlPoolOptions {
    MySqlPoolOptions::new().max_connections(connections)
}

async fn pool(connections: u32) -> Option<Pool> {
    pool_with(options(connections)).await
}

async fn pool_with(options: MySqlPoolOptions) -> Option<Pool> {
    let server = xray_databases::mariadb()?;
    Some(support::pool(options.connect(&server.url()).await.unwrap()))
}

async fn expected(pool: &Pool) -> Expected {
    let port = pool.connect_options().get_port();
    Expected {
        name: "shop@127.0.0.1".to_owned(),
        sql: json!({
            "url": format!("mysql://127.0.0.1:{port}/shop"), "user": "app", "database_type": "MySQL",
            "driver_version": "sqlx 0.9",
        }),
    }
}

fn failure(flag: &str, code: &str, text: &str) -> serde_json::Value {
    let text = text.to_owned();
    members(flag, &[(code, &format!("error returned from database: {text}")), ("MySqlDatabaseError", &text)])
}

fn missing_table() -> serde_json::Value {
    failure("fault", "MySQL 1146 (SQLSTATE 42S02)", "1146 (42S02): Table '?' doesn't exist")
}

fn unique_violation() -> serde_json::Value {
    failure("error", "MySQL 1062 (SQLSTATE 23000)", "1062 (23000): Duplicate entry '?'")
}

fn deadlock() -> serde_json::Value {
    failure(
        "fault",
        "MySQL 1213 (SQLSTATE 40001)",
        "1213 (40001): Deadlock found when trying to get lock; try restarting transaction",
    )
}

cases!("?", "CREATE UNIQUE INDEX violated_name ON violated (name)");
server_cases!("?");

#[tokio::test]
async fn a_statement_timeout_is_a_fault() {
    let Some(pool) = pool(1).await else { return };
    let expected = expected(&pool).await;
    (&*pool).execute("SET max_statement_time = 0.1").await.unwrap();
    let ((), got) = traced_with(false, async {
        let query = "SELECT count(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c";
        sqlx::query(query).execute(&pool).await.unwrap_err();
    })
    .await;
    let text = "1969 (70100): Query execution was interrupted (?)";
    assert_eq!(got, json!([and(expected.prepared(""), failure("fault", "MySQL 1969 (SQLSTATE 70100)", text))]));
}

#[tokio::test]
async fn a_cancelled_call_is_closed_without_a_flag() {
    let Some(pool) = pool(2).await else { return };
    let expected = expected(&pool).await;
    let ((), got) = traced(async {
        assert!(tokio::time::timeout(SHORT, sqlx::query("SELECT sleep(60)").execute(&pool)).await.is_err());
    })
    .await;
    assert_eq!(got, json!([and(expected.prepared("SELECT sleep(?)"), cancelled())]));
}

#[tokio::test]
async fn a_server_that_dies_in_a_query_is_a_fault() {
    let Some(server) = xray_databases::Server::mariadb() else { return };
    let pool = support::pool(options(1).connect(&server.url()).await.unwrap());
    let expected = expected(&pool).await;
    let ((), got) = traced_with(false, async {
        let (started, dying) = tokio::sync::oneshot::channel();
        let query = async {
            let mut connection = pool.acquire().await.unwrap();
            let mut rows = sqlx::query("SELECT seq FROM seq_1_to_1000000000").fetch(&mut *connection);
            assert!(rows.try_next().await.unwrap().is_some());
            started.send(()).unwrap();
            // A connection with data never waits, so the task must let the other one run.
            while rows.try_next().await.is_ok_and(|row| row.is_some()) {
                tokio::task::yield_now().await;
            }
        };
        let death = async {
            dying.await.unwrap();
            tokio::task::spawn_blocking(|| drop(server)).await.unwrap();
        };
        tokio::join!(query, death);
    })
    .await;
    let mut got = got;
    assert_eq!(got[0]["cause"].take()[0][0], "Io");
    assert_eq!(got, json!([and(expected.prepared(""), json!({"fault": true, "cause": null}))]));
}
