//! The functions of the example, with real databases.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tokio_postgres::NoTls;
use xray_databases::traced::{Traced, failed, query, with};
use xray_example_drivers::{deadpool, postgres, sqlite};

#[test]
fn calls_of_rusqlite() {
    let documents = Traced::run(|| {
        let db = sqlite::database("shop.db");
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE items (id INTEGER PRIMARY KEY, price INTEGER)").unwrap();
        connection.execute_batch("INSERT INTO items VALUES (1, 20), (2, 22)").unwrap();
        assert_eq!(sqlite::price(&db, &connection, 1), Ok(20));
        assert_eq!(sqlite::price(&db, &connection, 3), Err(rusqlite::Error::QueryReturnedNoRows));
        assert_eq!(sqlite::total(&db, &connection), Ok(42));
        connection.execute_batch("DROP TABLE items").unwrap();
        assert!(sqlite::price(&db, &connection, 1).is_err());
    });
    let call = json!({
        "name": "shop.db@localhost", "namespace": "remote",
        "sql": {"url": "sqlite://localhost/shop.db", "database_type": "SQLite", "driver_version": "rusqlite 0.39"},
    });
    let price = query(&call, "SELECT price FROM items WHERE id = ?1");
    let last = &documents[3];
    assert_eq!(
        documents.as_array().unwrap()[..3],
        [price.clone(), price.clone(), query(&call, "SELECT price FROM items")]
    );
    assert_eq!((&last["fault"], &last["cause"]["exceptions"][0]["type"]), (&json!(true), &json!("SQLite 1")));
}

fn call(port: u16) -> Value {
    json!({
        "name": "shop@127.0.0.1", "namespace": "remote",
        "sql": {"url": format!("postgresql://127.0.0.1:{port}/shop"), "user": "app", "database_type": "PostgreSQL",
                "driver_version": "tokio-postgres 0.7", "preparation": "statement"},
    })
}

#[tokio::test]
async fn calls_of_tokio_postgres_and_deadpool() {
    let Some(server) = xray_databases::postgres() else { return };
    let db = postgres::database(&server.url());
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("CREATE TABLE items (id INTEGER PRIMARY KEY, price INTEGER)").await.unwrap();
    client.batch_execute("INSERT INTO items VALUES (7, 42)").await.unwrap();
    let manager = deadpool_postgres::Manager::new(server.url().parse().unwrap(), NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();

    let documents = Traced::run_async(async {
        assert_eq!(postgres::price(&db, &client, 7).await.unwrap(), 42);
        assert_eq!(deadpool::price(&db, &pool, 7).await.unwrap(), 42);
        client.batch_execute("ALTER TABLE items RENAME price TO cost").await.unwrap();
        assert!(postgres::price(&db, &client, 7).await.is_err());
    })
    .await;
    let price = query(&call(server.port()), "SELECT price FROM items WHERE id = $1");
    let missing = "column \"price\" does not exist";
    let documents = documents.as_array().unwrap();
    assert_eq!(documents[..3], [price.clone(), json!({"name": "acquire"}), price.clone()]);
    assert_eq!(documents[3]["cause"]["exceptions"][0]["type"], "SQLSTATE 42703");
    let bare = with(documents[3].clone(), json!({"cause": Value::Null}));
    assert_eq!(bare, with(failed(price, "fault", "", missing), json!({"cause": Value::Null})));
    drop(client);
    connection.await.unwrap().unwrap();
}
