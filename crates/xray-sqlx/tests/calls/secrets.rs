//! Planted secrets: passwords in every form of a connection, and values in queries, arguments and errors.
//!
//! Core ends the process if a document contains `s3cret`, so each test here passes only if none does.

use std::fmt;

use serde_json::json;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use xray_sqlx::{Driver, MySqlPool, PgPool, Pool, SqlitePool};

use crate::support::{pool, traced, traced_with};

/// Records the wait for a connection of a closed pool.
async fn refused<DB: Driver>(pool: Pool<DB>) -> serde_json::Value {
    pool.close().await;
    traced(async { assert!(pool.acquire().await.is_err()) }).await.1
}

#[tokio::test]
async fn no_form_of_a_connection_reveals_its_password() {
    for (url, name) in [
        ("postgres://app:s3cret@db.test:5432/shop?sslkey=s3cret", "shop@db.test"),
        ("postgres://db.test/shop?user=app&password=s3cret", "shop@db.test"),
        ("postgresql://app:s3cret%40%2F@[::1]:5432/shop?options=-c%20x%3Ds3cret&application_name=s3cret", "shop@::1"),
        ("postgres:///shop?host=/var/run/s3cret&user=app&password=s3cret", "shop@localhost"),
    ] {
        let options: PgConnectOptions = url.parse().unwrap();
        let got = refused(PgPool::connect_lazy_with(options)).await;
        assert_eq!(got[0]["name"], format!("acquire {name}"), "{url}");
    }
    let options = PgConnectOptions::new().host("db.test").username("app").password("s3cret").database("shop");
    refused(PgPool::connect_lazy_with(options)).await;
    for url in
        ["mysql://app:s3cret@db.test/shop?ssl-key=s3cret", "mariadb://app:s3cret@db.test:3307/shop?socket=/s3cret"]
    {
        refused(MySqlPool::connect_lazy(url).unwrap()).await;
    }
    refused(MySqlPool::connect_lazy_with(MySqlConnectOptions::new().username("app").password("s3cret"))).await;
    refused(SqlitePool::connect_lazy_with(SqliteConnectOptions::new().pragma("key", "s3cret"))).await;
    refused(SqlitePool::connect_lazy_with(SqliteConnectOptions::new().filename("file:shop.db?key=s3cret"))).await;
}

#[tokio::test]
async fn a_wrong_password_is_a_fault_and_not_recorded() {
    let Some(server) = xray_databases::postgres() else { return };
    let wrong = format!("postgres://app:s3cret-wrong@127.0.0.1:{}/shop", server.port());
    let ((), got) = traced_with(false, async {
        let error = xray_sqlx::PgConnection::connect(&wrong).await.map(|_| ()).unwrap_err();
        xray_core::current().fault(&error);
    })
    .await;
    assert_eq!(got[0]["cause"][0][0], "SQLSTATE 28P01");
    assert_eq!(got[0]["metadata"], json!({"sql": {"operation": "CONNECT"}}));
}

/// An error of the application, as `thiserror` writes it.
#[derive(Debug)]
struct CannotSave(sqlx::Error);
impl fmt::Display for CannotSave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot save: {}", self.0)
    }
}
impl std::error::Error for CannotSave {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn no_value_leaves_in_an_error_or_in_the_applications_error_that_wraps_it() {
    let Some(server) = xray_databases::postgres() else { return };
    let pool = pool(sqlx::PgPool::connect(&server.url()).await.unwrap());
    sqlx::raw_sql(
        "DROP TABLE IF EXISTS secrets; CREATE TABLE secrets (name VARCHAR(50) UNIQUE CHECK (name <> 's3cret-checked'))",
    )
    .execute(&*pool)
    .await
    .unwrap();
    let ((), got) = traced_with(false, async {
        let insert = "INSERT INTO secrets VALUES ($1)";
        sqlx::query(insert).bind("s3cret").execute(&pool).await.unwrap();
        let mut errors = Vec::new();
        for value in ["s3cret", "s3cret-checked", &"s3cret".repeat(20)] {
            errors.push(sqlx::query(insert).bind(value).execute(&pool).await.unwrap_err());
            errors.push(sqlx::query("SELECT $1::integer").bind(value).execute(&pool).await.unwrap_err());
            errors.push(sqlx::query("SELECT $1::text::integer").bind(value).execute(&pool).await.unwrap_err());
            errors.push(
                sqlx::query("SELECT ('{\"a\": ' || $1::text)::json").bind(value).execute(&pool).await.unwrap_err(),
            );
            let statement = format!("SELECT '{value}'::uuid, {value}");
            errors.push(sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap_err());
            let error = sqlx::query("SELECT $1::text::date").bind(value).execute(&pool).await.unwrap_err();
            xray_core::current().fault(CannotSave(error));
        }
        assert!(errors.iter().any(|error| error.to_string().contains("s3cret")));
    })
    .await;
    assert!(got.as_array().is_some_and(|calls| calls.len() >= 18));
}

#[tokio::test]
async fn no_value_leaves_in_an_error_of_mariadb_or_sqlite() {
    let sqlite = pool(sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap());
    let ((), got) = traced_with(false, async {
        for statement in [
            "SELECT \"s3cret\" FROM",
            "SELECT 's3cret",
            "SELECT json('s3cret')",
            "SELECT abs('s3cret', 1)",
            "s3cret",
            "SELECT s3cret",
            "SELECT 's3cret' -> '$['",
        ] {
            let error = sqlx::query(statement).execute(&sqlite).await.unwrap_err();
            xray_core::current().fault(CannotSave(error));
        }
    })
    .await;
    assert_eq!(got.as_array().map(Vec::len), Some(7));

    let Some(server) = xray_databases::mariadb() else { return };
    let mariadb = pool(sqlx::MySqlPool::connect(&server.url()).await.unwrap());
    sqlx::raw_sql("DROP TABLE IF EXISTS secrets; CREATE TABLE secrets (n INTEGER, name VARCHAR(8) UNIQUE, CHECK (name <> 's3cret-c'))").execute(&*mariadb).await.unwrap();
    let ((), got) = traced_with(false, async {
        sqlx::query("INSERT INTO secrets (name) VALUES (?)").bind("s3cret").execute(&mariadb).await.unwrap();
        for (column, value) in
            [("name", "s3cret"), ("name", "s3cret-c"), ("name", "s3cret-too-long"), ("n", "s3cret's"), ("n", "s3cret")]
        {
            let statement = format!("INSERT INTO secrets ({column}) VALUES (?)");
            let error = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(value).execute(&mariadb).await.unwrap_err();
            xray_core::current().fault(CannotSave(error));
        }
        for statement in [
            "SELECT s3cret",
            "SELECT 's3cret",
            "SELECT 1 FROM s3cret",
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'bad value \"s3cret\"'",
        ] {
            let error = sqlx::query(statement).execute(&mariadb).await.unwrap_err();
            xray_core::current().fault(CannotSave(error));
        }
    })
    .await;
    assert_eq!(got.as_array().map(Vec::len), Some(10));
}
