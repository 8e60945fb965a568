//! diesel-async with PostgreSQL and MariaDB.

use diesel::result::Error;
use diesel::sql_types::{Integer, Text};
use diesel::{QueryResult, QueryableByName, sql_query};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncMysqlConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt as _;
use futures_util::future::join;
use serde_json::{Value, json};
use xray_core::{FutureExt as _, try_current};
use xray_databases::Server;

use xray_databases::traced::{Traced, failed, normalise, operation, prepared, query, with};

#[derive(QueryableByName)]
struct Item {
    #[diesel(sql_type = Text)]
    name: String,
}

fn call(server: &Server) -> Value {
    let (kind, product) =
        if server.url().starts_with("mysql") { ("mysql", "MySQL") } else { ("postgresql", "PostgreSQL") };
    json!({
        "name": "shop@127.0.0.1", "namespace": "remote",
        "sql": {"url": format!("{kind}://127.0.0.1:{}/shop", server.port()), "user": "app", "database_type": product,
                "driver_version": "diesel 2"},
    })
}

/// What the texts of a backend have in common.
struct Texts {
    table: &'static str,
    create: &'static str,
    insert: &'static str,
    select: &'static str,
    duplicate: &'static str,
    savepoint: &'static str,
}

macro_rules! calls {
    ($name:ident, $server:path, $connection:ty, $texts:expr) => {
        #[tokio::test]
        async fn $name() {
            let (Some(server), texts) = ($server(), $texts) else { return };
            let documents = Traced::run_async(async {
                xray_diesel::install().unwrap();
                let mut connection = <$connection>::establish(&server.url()).await.unwrap();
                connection.batch_execute(texts.create).await.unwrap();
                let insert = |id: i32| sql_query(texts.insert).bind::<Integer, _>(id).bind::<Text, _>("planted");
                insert(7).execute(&mut connection).await.unwrap();
                let select = sql_query(texts.select).bind::<Integer, _>(7);
                let items: Vec<Item> = select.load(&mut connection).await.unwrap();
                assert_eq!(items[0].name, "planted");
                assert!(insert(7).execute(&mut connection).await.is_err());
                connection
                    .transaction(async |outer| {
                        insert(8).execute(outer).await?;
                        let rolled_back: QueryResult<()> = outer
                            .transaction(async |inner| {
                                insert(9).execute(inner).await?;
                                Err(Error::RollbackTransaction)
                            })
                            .await;
                        assert_eq!(rolled_back, Err(Error::RollbackTransaction));
                        Ok::<_, Error>(())
                    })
                    .await
                    .unwrap();
                let rolled_back: QueryResult<()> =
                    connection.transaction(async |_| Err(Error::RollbackTransaction)).await;
                assert_eq!(rolled_back, Err(Error::RollbackTransaction));
                let missing = sql_query("SELECT a FROM missing WHERE b = 'planted'").execute(&mut connection).await;
                assert!(missing.is_err());
            })
            .await;
            let call = call(server);
            let named = |operation_name: &str, text: &str| query(&operation(&call, operation_name), text);
            let duplicate = failed(query(&call, texts.insert), "error", "UniqueViolation", texts.duplicate);
            let documents = documents.as_array().unwrap();
            assert_eq!(
                documents[..documents.len() - 1],
                [
                    operation(&call, "CONNECT"),
                    query(&call, texts.create),
                    query(&call, texts.insert),
                    query(&call, texts.select),
                    duplicate,
                    named("BEGIN", "BEGIN"),
                    query(&call, texts.insert),
                    named("SAVEPOINT", texts.savepoint),
                    query(&call, texts.insert),
                    named("ROLLBACK TO SAVEPOINT", &format!("ROLLBACK TO {}", texts.savepoint)),
                    named("COMMIT", "COMMIT"),
                    named("BEGIN", "BEGIN"),
                    named("ROLLBACK", "ROLLBACK"),
                ],
                "{}",
                texts.table,
            );
            let missing = documents.last().unwrap();
            assert_eq!(
                (&missing["fault"], &missing["cause"]["exceptions"][0]["type"]),
                (&json!(true), &json!("DatabaseError"))
            );
        }
    };
}

calls!(
    calls_to_postgresql,
    xray_databases::postgres,
    AsyncPgConnection,
    Texts {
        table: "diesel_items",
        create: "CREATE TABLE diesel_items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        insert: "INSERT INTO diesel_items (id, name) VALUES ($1, $2)",
        select: "SELECT name FROM diesel_items WHERE id = $1",
        duplicate: "duplicate key value violates unique constraint \"diesel_items_pkey\"",
        savepoint: "SAVEPOINT diesel_savepoint_1",
    }
);

calls!(
    calls_to_mariadb,
    xray_databases::mariadb,
    AsyncMysqlConnection,
    Texts {
        table: "diesel_items",
        create: "CREATE TABLE diesel_items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        insert: "INSERT INTO diesel_items (id, name) VALUES (?, ?)",
        select: "SELECT name FROM diesel_items WHERE id = ?",
        duplicate: "Duplicate entry '7' for key 'PRIMARY'",
        savepoint: "SAVEPOINT diesel_savepoint_1",
    }
);

async fn connection(server: &Server) -> AsyncPgConnection {
    xray_diesel::install().unwrap();
    AsyncPgConnection::establish(&server.url()).await.unwrap()
}

#[tokio::test]
async fn values_in_an_error_are_not_recorded() {
    let Some(server) = xray_databases::postgres() else { return };
    let traced = Traced::begin_with(false);
    let request = async {
        let query = sql_query("SELECT $1::text::integer").bind::<Text, _>("planted");
        let error = query.execute(&mut connection(server).await).await.unwrap_err();
        assert!(error.to_string().contains("planted"));
    };
    traced.segment.scope(request).await;
    let message = "invalid input syntax for type integer: \"?\"";
    assert_eq!(traced.finish()[1], failed(call(server), "fault", "DatabaseError", message));
}

#[tokio::test]
async fn a_connection_that_is_refused_is_a_fault() {
    let documents = Traced::run_async(async {
        xray_diesel::install().unwrap();
        let refused = AsyncPgConnection::establish("postgres://app:s3cret@127.0.0.1:1/shop").await;
        assert!(refused.is_err());
    })
    .await;
    let block = json!({"url": "postgresql://127.0.0.1:1/shop", "user": "app", "database_type": "PostgreSQL", "driver_version": "diesel 2"});
    let connect = operation(&json!({"name": "shop@127.0.0.1", "namespace": "remote", "sql": block}), "CONNECT");
    let message = "the connection was not opened; diesel did not report why";
    assert_eq!(documents, json!([failed(connect, "fault", "BadConnection", message)]));
}

#[tokio::test]
async fn a_query_lasts_until_its_response() {
    let Some(server) = xray_databases::postgres() else { return };
    let traced = Traced::begin();
    let request = async {
        let mut connection = connection(server).await;
        connection.batch_execute("SELECT pg_sleep(0.05)").await.unwrap();
    };
    traced.segment.scope(request).await;
    traced.segment.close();
    let call = &traced.documents()[0]["subsegments"][1];
    assert!(duration(call) >= 0.05, "{call}");
}

fn duration(entity: &Value) -> f64 {
    entity["end_time"].as_f64().unwrap() - entity["start_time"].as_f64().unwrap()
}

fn cancelled(base: Value) -> Value {
    with(base, json!({"metadata": {"xray": {"cancelled": true}}}))
}

#[tokio::test]
async fn a_query_that_is_dropped_is_cancelled_when_the_connection_is_used_or_closed() {
    let Some(server) = xray_databases::postgres() else { return };
    let sleep = "SELECT pg_sleep(0.05)";
    let documents = Traced::run_async(async {
        let mut connection = connection(server).await;
        for _ in 0..2 {
            assert!(connection.batch_execute(sleep).now_or_never().is_none());
            connection.batch_execute("SELECT a.oid FROM pg_class AS a").await.unwrap();
        }
        assert!(connection.batch_execute(sleep).now_or_never().is_none());
    })
    .await;
    let call = call(server);
    let (sleep, select) =
        (cancelled(query(&call, "SELECT pg_sleep(?)")), query(&call, "SELECT a.oid FROM pg_class AS a"));
    assert_eq!(documents.as_array().unwrap()[1..], [sleep.clone(), select.clone(), sleep.clone(), select, sleep]);
}

#[tokio::test]
async fn a_query_that_is_cancelled_with_its_request_has_no_duration() {
    let Some(server) = xray_databases::postgres() else { return };
    let (first, second) = (Traced::begin(), Traced::begin());
    let mut connection = connection(server).await;
    let request = async { assert!(connection.batch_execute("SELECT pg_sleep(0.05)").now_or_never().is_none()) };
    first.segment.scope(request).await;
    first.segment.close();
    let request = async { connection.batch_execute("SELECT a.oid FROM pg_class AS a").await.unwrap() };
    second.segment.scope(request).await;
    drop(connection);

    let mut late = first.documents().pop().unwrap();
    assert_eq!(duration(&late), 0.0);
    normalise(&mut late);
    for member in ["trace_id", "parent_id", "type"] {
        late.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(late, cancelled(query(&call(server), "SELECT pg_sleep(?)")));
    let documents = second.finish();
    assert_eq!(documents, json!([query(&call(server), "SELECT a.oid FROM pg_class AS a")]));
}

const DIVIDE: &str = "SELECT 10 / $1";
const ADD: &str = "SELECT 10 + $1";

async fn run(connection: &AsyncPgConnection, text: &str, value: i32) {
    let _ = sql_query(text).bind::<Integer, _>(value).execute(&mut &*connection).await;
}

/// Returns whether each call is a fault, with its parent and its text.
fn faults(documents: &Value) -> Vec<(&str, &str, bool)> {
    let parents = documents.as_array().unwrap().iter();
    let calls = parents.flat_map(|parent| {
        let name = parent["name"].as_str().unwrap();
        parent["subsegments"].as_array().into_iter().flatten().map(move |call| (name, call))
    });
    let faults = calls.map(|(parent, call)| {
        assert_eq!(call["metadata"], Value::Null, "{call}");
        (parent, call["sql"]["sanitized_query"].as_str().unwrap_or_default(), call["fault"] == true)
    });
    faults.collect()
}

#[tokio::test]
async fn the_ends_of_pipelined_queries_follow_their_text() {
    let Some(server) = xray_databases::postgres() else { return };
    for (first, second) in [(DIVIDE, ADD), (ADD, DIVIDE)] {
        let documents = Traced::run_async(async {
            let connection = connection(server).await;
            join(run(&connection, first, 0), run(&connection, second, 0)).in_subsegment("load").await;
        })
        .await;
        let want = [first, second].map(|text| ("load", text.replace("10", "?"), text == DIVIDE));
        let got = faults(&documents).into_iter().map(|(parent, text, fault)| (parent, text.to_owned(), fault));
        assert!(got.eq(want), "{documents}");
    }
}

#[tokio::test]
async fn the_ends_of_pipelined_queries_follow_their_parents() {
    let Some(server) = xray_databases::postgres() else { return };
    for collects_queries in [false, true] {
        for (first, second) in [(0, 1), (1, 0)] {
            let traced = Traced::begin_with(collects_queries);
            let request = async {
                let connection = connection(server).await;
                let first = run(&connection, DIVIDE, first).in_subsegment("first");
                join(first, run(&connection, DIVIDE, second).in_subsegment("second")).await;
            };
            traced.segment.scope(request).await;
            let text = if collects_queries { "SELECT ? / $1" } else { "" };
            assert_eq!(faults(&traced.finish()), [("first", text, first == 0), ("second", text, second == 0)]);
        }
    }
}

#[tokio::test]
async fn statements_that_are_cached_are_marked_when_they_are_prepared() {
    let Some(server) = xray_databases::postgres() else { return };
    let documents = Traced::run_async(async {
        let mut connection = connection(server).await;
        for _ in 0..2 {
            diesel::select(diesel::dsl::now).execute(&mut connection).await.unwrap();
        }
    })
    .await;
    let text = "SELECT CURRENT_TIMESTAMP";
    assert_eq!(documents.as_array().unwrap()[1..], [prepared(&call(server), text), query(&call(server), text)]);
}

#[tokio::test]
async fn the_synchronous_wrapper_hides_the_current_entity() {
    let documents = Traced::run_async(async {
        let mut connection = SyncConnectionWrapper::<diesel::SqliteConnection>::establish(":memory:").await.unwrap();
        connection.batch_execute("PRAGMA foreign_keys").await.unwrap();
        assert!(try_current().is_some());
    })
    .await;
    assert_eq!(documents, Value::Null);
}
