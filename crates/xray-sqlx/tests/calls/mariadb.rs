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

cases!("?", "CREATE UNIQUE INDEX violated_name ON violated (name)");
