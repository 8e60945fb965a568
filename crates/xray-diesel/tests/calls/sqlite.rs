//! diesel with SQLite.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use serde_json::{Value, json};
use xray_core::Sql;
use xray_diesel::XRayInstrumentation;

use xray_databases::traced::{Traced, failed, operation, prepared, query, with};

diesel::table! {
    items (id) {
        id -> Integer,
        name -> Text,
    }
}

/// Opens a database in memory, outside of any request.
pub(crate) fn open() -> SqliteConnection {
    xray_diesel::install().unwrap();
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.batch_execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").unwrap();
    connection
}

fn call() -> Value {
    json!({
        "name": ":memory:@localhost", "namespace": "remote",
        "sql": {"url": "sqlite://localhost/:memory:", "database_type": "SQLite", "driver_version": "diesel 2"},
    })
}

const INSERT: &str = "INSERT INTO `items` (`id`, `name`) VALUES (?, ?)";
const SELECT: &str = "SELECT `items`.`name` FROM `items` WHERE (`items`.`id` = ?)";

fn insert(connection: &mut SqliteConnection, id: i32) -> QueryResult<usize> {
    diesel::insert_into(items::table).values((items::id.eq(id), items::name.eq("planted"))).execute(connection)
}

fn select(connection: &mut SqliteConnection, id: i32) -> QueryResult<String> {
    items::table.filter(items::id.eq(id)).select(items::name).first(connection)
}

#[test]
fn each_call_is_a_subsegment() {
    let limited = &*format!("{SELECT} LIMIT ?");
    let documents = Traced::run(|| {
        xray_diesel::install().unwrap();
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.batch_execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").unwrap();
        insert(&mut connection, 7).unwrap();
        insert(&mut connection, 8).unwrap();
        assert_eq!(select(&mut connection, 7), Ok("planted".into()));
        assert_eq!(select(&mut connection, 9), Err(Error::NotFound));
        let rows: Vec<(i32, String)> = items::table.order(items::id).load(&mut connection).unwrap();
        assert_eq!(rows.len(), 2);
        let mut rows = items::table.load_iter::<(i32, String), _>(&mut connection).unwrap();
        assert!(rows.next().is_some());
        drop(rows);
    });
    let all = "SELECT `items`.`id`, `items`.`name` FROM `items`";
    assert_eq!(
        documents,
        json!([
            operation(&call(), "CONNECT"),
            query(&call(), "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"),
            prepared(&call(), INSERT),
            query(&call(), INSERT),
            prepared(&call(), limited),
            query(&call(), limited),
            prepared(&call(), &format!("{all} ORDER BY `items`.`id`")),
            prepared(&call(), all),
        ])
    );
}

#[test]
fn errors_are_recorded_by_their_kind() {
    let missing = "SELECT a FROM missing WHERE b = ?";
    let documents = Traced::run(|| {
        let mut connection = open();
        insert(&mut connection, 7).unwrap();
        assert!(matches!(insert(&mut connection, 7), Err(Error::DatabaseError(..))));
        assert!(diesel::sql_query("INSERT INTO items (id, name) VALUES (8, NULL)").execute(&mut connection).is_err());
        let bound = diesel::sql_query("SELECT a FROM missing WHERE b = 'planted'");
        assert!(bound.execute(&mut connection).is_err());
        assert!(connection.batch_execute("SELECTED 'planted'").is_err());
    });
    let documents = &documents.as_array().unwrap()[3..];
    let null = "INSERT INTO items (id, name) VALUES (?, NULL)";
    assert_eq!(
        documents,
        [
            failed(query(&call(), INSERT), "error", "UniqueViolation", "UNIQUE constraint failed: items.id"),
            failed(query(&call(), null), "error", "NotNullViolation", "NOT NULL constraint failed: items.name"),
            failed(query(&call(), missing), "fault", "DatabaseError", "no such table: missing"),
            failed(query(&call(), "SELECTED ?"), "fault", "DatabaseError", "near \"SELECTED\": syntax error"),
        ]
    );
}

#[test]
fn transactions_and_savepoints_show_begin_commit_and_rollback() {
    let documents = Traced::run(|| {
        let mut connection = open();
        connection
            .transaction(|outer| {
                insert(outer, 1)?;
                outer.transaction(|inner| insert(inner, 2))?;
                let rolled_back: QueryResult<()> = outer.transaction(|inner| {
                    insert(inner, 3)?;
                    Err(Error::RollbackTransaction)
                });
                assert_eq!(rolled_back, Err(Error::RollbackTransaction));
                Ok::<_, Error>(())
            })
            .unwrap();
        let rolled_back: QueryResult<()> = connection.immediate_transaction(|_| Err(Error::RollbackTransaction));
        assert_eq!(rolled_back, Err(Error::RollbackTransaction));
        assert_eq!(items::table.count().get_result(&mut connection), Ok(2_i64));
    });
    let named = |name: &str, text: &str| query(&operation(&call(), name), text);
    let (first, second) = ("diesel_savepoint_1", "diesel_savepoint_1");
    assert_eq!(
        documents.as_array().unwrap()[2..],
        [
            named("BEGIN", "BEGIN"),
            prepared(&call(), INSERT),
            named("SAVEPOINT", &format!("SAVEPOINT {first}")),
            query(&call(), INSERT),
            named("RELEASE SAVEPOINT", &format!("RELEASE SAVEPOINT {first}")),
            named("SAVEPOINT", &format!("SAVEPOINT {second}")),
            query(&call(), INSERT),
            named("ROLLBACK TO SAVEPOINT", &format!("ROLLBACK TO SAVEPOINT {second}")),
            named("COMMIT", "COMMIT"),
            named("BEGIN", "BEGIN IMMEDIATE"),
            named("ROLLBACK", "ROLLBACK"),
            prepared(&call(), "SELECT COUNT(*) FROM `items`"),
        ]
    );
}

#[test]
fn a_query_is_below_the_entity_that_makes_it() {
    let documents = Traced::run(|| {
        let mut connection = open();
        xray_core::capture("load", |_| _ = select(&mut connection, 1));
    });
    assert_eq!(documents[2]["name"], "load");
    assert_eq!(documents[2]["subsegments"].as_array().unwrap().len(), 1);
}

#[test]
fn a_connection_that_is_not_opened_is_a_fault() {
    let documents = Traced::run(|| {
        xray_diesel::install().unwrap();
        assert!(SqliteConnection::establish("/nonexistent/planted?key=planted").is_err());
        assert!(SqliteConnection::establish("file:/nonexistent/shop.db?key=planted").is_err());
    });
    let unknown = json!({"name": "unknown", "namespace": "remote", "sql": {"driver_version": "diesel 2"}});
    let known =
        with(call(), json!({"name": "shop.db@localhost", "sql": {"url": "sqlite://localhost/nonexistent/shop.db"}}));
    let message = "unable to open database file";
    assert_eq!(
        documents,
        json!([
            failed(operation(&unknown, "CONNECT"), "fault", "BadConnection", message),
            failed(operation(&known, "CONNECT"), "fault", "BadConnection", message),
        ])
    );
}

#[test]
fn a_single_connection_may_be_recorded() {
    let documents = Traced::run(|| {
        let mut connection = open();
        connection.set_instrumentation(XRayInstrumentation::of(Sql::from_url("sqlite:data/shop.db")));
        connection.batch_execute("PRAGMA foreign_keys").unwrap();
    });
    assert_eq!(
        documents[2],
        json!({
            "name": "shop.db@localhost", "namespace": "remote",
            "sql": {"url": "sqlite://localhost/data/shop.db", "database_type": "SQLite",
                    "sanitized_query": "PRAGMA foreign_keys"},
        })
    );
}
