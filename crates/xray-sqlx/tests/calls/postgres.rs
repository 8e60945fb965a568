//! PostgreSQL.

use sqlx::postgres::PgPoolOptions;

use crate::support::{self, Expected, failed as members};

type Pool = xray_sqlx::PgPool;
type Database = sqlx::Postgres;

fn options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections)
}

async fn pool(connections: u32) -> Option<Pool> {
    pool_with(options(connections)).await
}

async fn pool_with(options: PgPoolOptions) -> Option<Pool> {
    let server = xray_databases::postgres()?;
    Some(support::pool(options.connect(&server.url()).await.unwrap()))
}

async fn expected(pool: &Pool) -> Expected {
    let port = pool.connect_options().get_port();
    let version = pool.acquire().await.unwrap().server_version_num().unwrap();
    Expected {
        name: "shop@127.0.0.1".to_owned(),
        sql: json!({
            "url": format!("postgresql://127.0.0.1:{port}/shop"), "user": "app", "database_type": "PostgreSQL",
            "database_version": format!("{}.{}", version / 10_000, version % 10_000), "driver_version": "sqlx 0.9",
        }),
    }
}

fn failure(flag: &str, code: &str, text: &str) -> serde_json::Value {
    let text = text.to_owned();
    members(flag, &[(code, &format!("error returned from database: {text}")), ("PgDatabaseError", &text)])
}

fn missing_table() -> serde_json::Value {
    failure("fault", "SQLSTATE 42P01", "relation \"?\" does not exist at line ?")
}

fn unique_violation() -> serde_json::Value {
    failure("error", "SQLSTATE 23505", "duplicate key value violates unique constraint \"?\" at line ?")
}

cases!("$1", "CREATE UNIQUE INDEX violated_name ON violated (name)");
