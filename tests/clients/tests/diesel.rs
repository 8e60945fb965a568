//! diesel with libpq and libmysqlclient, as the daemon receives its calls.

#![allow(clippy::unwrap_used, reason = "tests")]

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_query;
use diesel::sql_types::{Integer, Text};
use serde_json::{Value, json};
use xray_databases::Server;
use xray_databases::traced::{Traced, failed, operation, query};

#[derive(QueryableByName)]
struct Item {
    #[diesel(sql_type = Text)]
    name: String,
}

fn call(server: &Server, kind: &str, product: &str) -> Value {
    json!({
        "name": "shop@127.0.0.1", "namespace": "remote",
        "sql": {"url": format!("{kind}://127.0.0.1:{}/shop", server.port()), "user": "app", "database_type": product,
                "driver_version": "diesel 2"},
    })
}

const CREATE: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)";

macro_rules! calls {
    ($name:ident, $server:path, $connection:ty, $kind:literal, $product:literal, $insert:literal, $select:literal, $duplicate:literal) => {
        #[test]
        fn $name() {
            let Some(server) = $server() else { return };
            let documents = Traced::run(|| {
                xray_diesel::install().unwrap();
                let wrong = server.url().replace("s3cret", "planted");
                assert!(<$connection>::establish(&wrong).is_err());
                let mut connection = <$connection>::establish(&server.url()).unwrap();
                connection.batch_execute(CREATE).unwrap();
                let insert = |id: i32| sql_query($insert).bind::<Integer, _>(id).bind::<Text, _>("planted");
                insert(7).execute(&mut connection).unwrap();
                let items: Vec<Item> = sql_query($select).bind::<Integer, _>(7).load(&mut connection).unwrap();
                assert_eq!(items[0].name, "planted");
                assert!(insert(7).execute(&mut connection).is_err());
                let rolled_back: QueryResult<()> = connection.transaction(|outer| {
                    outer.transaction(|inner| insert(8).execute(inner))?;
                    Err(Error::RollbackTransaction)
                });
                assert_eq!(rolled_back, Err(Error::RollbackTransaction));
                connection.transaction(|transaction| insert(9).execute(transaction)).unwrap();
            });
            let call = call(server, $kind, $product);
            let named = |name: &str, text: &str| query(&operation(&call, name), text);
            let documents = documents.as_array().unwrap();
            assert_eq!((&documents[0]["name"], &documents[0]["fault"]), (&call["name"], &json!(true)));
            assert_eq!(documents[0]["cause"]["exceptions"][0]["type"], "BadConnection");
            assert_eq!(
                documents[1..],
                [
                    operation(&call, "CONNECT"),
                    query(&call, &CREATE.replace("20", "?")),
                    query(&call, $insert),
                    query(&call, $select),
                    failed(query(&call, $insert), "error", "UniqueViolation", $duplicate),
                    named("BEGIN", "BEGIN"),
                    named("SAVEPOINT", "SAVEPOINT diesel_savepoint_1"),
                    query(&call, $insert),
                    named("RELEASE SAVEPOINT", "RELEASE SAVEPOINT diesel_savepoint_1"),
                    named("ROLLBACK", "ROLLBACK"),
                    named("BEGIN", "BEGIN"),
                    query(&call, $insert),
                    named("COMMIT", "COMMIT"),
                ]
            );
        }
    };
}

calls!(
    calls_to_postgresql,
    xray_databases::postgres,
    PgConnection,
    "postgresql",
    "PostgreSQL",
    "INSERT INTO items (id, name) VALUES ($1, $2)",
    "SELECT name FROM items WHERE id = $1",
    "duplicate key value violates unique constraint \"items_pkey\""
);

calls!(
    calls_to_mariadb,
    xray_databases::mariadb,
    MysqlConnection,
    "mysql",
    "MySQL",
    "INSERT INTO items (id, name) VALUES (?, ?)",
    "SELECT name FROM items WHERE id = ?",
    "Duplicate entry '7' for key 'PRIMARY'"
);
