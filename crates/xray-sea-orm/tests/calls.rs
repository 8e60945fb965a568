//! Calls of SeaORM to real databases, as the daemon receives them.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

use futures_util::{FutureExt as _, TryStreamExt as _};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, DbBackend, QueryOrder, Statement, TransactionError, TransactionSession, TransactionTrait};
use serde_json::{Value, json};
use xray_core::Sql;
use xray_databases::Server;
use xray_databases::traced::{Traced, operation, prepared, query, with};
use xray_sea_orm::{Database, DatabaseConnection, DatabaseTransaction};

mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "orm_items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const CREATE: &str = "CREATE TABLE orm_items (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)";

fn item(id: i32) -> item::ActiveModel {
    item::ActiveModel { id: ActiveValue::Set(id), name: ActiveValue::Set("planted".to_owned()) }
}

/// A function of an application, which takes every connection.
async fn insert(db: &impl ConnectionTrait, id: i32) -> Result<item::Model, DbErr> {
    item(id).insert(db).await
}

/// Opens a database in memory with a table, outside of any request.
async fn open() -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
    options.max_connections(1);
    let db = Database::connect(options).await.unwrap();
    db.inner().execute_unprepared(CREATE).await.unwrap();
    db
}

fn sqlite() -> Value {
    json!({
        "name": ":memory:@localhost", "namespace": "remote",
        "sql": {"url": "sqlite://localhost/:memory:", "database_type": "SQLite", "driver_version": "sea-orm 2"},
    })
}

fn on(server: &Server, kind: &str, product: &str) -> Value {
    json!({
        "name": "shop@127.0.0.1", "namespace": "remote",
        "sql": {"url": format!("{kind}://127.0.0.1:{}/shop", server.port()), "user": "app", "database_type": product,
                "driver_version": "sea-orm 2"},
    })
}

const INSERT: &str = r#"INSERT INTO "orm_items" ("id", "name") VALUES (?, ?) RETURNING "id", "name""#;
const BY_ID: &str =
    r#"SELECT "orm_items"."id", "orm_items"."name" FROM "orm_items" WHERE "orm_items"."id" = ? LIMIT ?"#;
const ALL: &str = r#"SELECT "orm_items"."id", "orm_items"."name" FROM "orm_items" ORDER BY "orm_items"."id" ASC"#;

#[tokio::test]
async fn each_call_is_a_subsegment() {
    let db = open().await;
    let documents = Traced::run_async(async {
        db.execute_unprepared("DELETE FROM orm_items WHERE name = 'planted'").await.unwrap();
        let model = insert(&db, 7).await.unwrap();
        assert_eq!(model.name, "planted");
        assert_eq!(item::Entity::find_by_id(7).one(&db).await.unwrap(), Some(model));
        assert_eq!(item::Entity::find_by_id(9).one(&db).await.unwrap(), None);
        assert_eq!(item::Entity::find().order_by_asc(item::Column::Id).all(&db).await.unwrap().len(), 1);
        let missing = item(9).update(&db).await;
        assert!(matches!(missing, Err(DbErr::RecordNotUpdated)));
    })
    .await;
    let update = r#"UPDATE "orm_items" SET "name" = ? WHERE "orm_items"."id" = ? RETURNING "id", "name""#;
    assert_eq!(
        documents,
        json!([
            query(&sqlite(), "DELETE FROM orm_items WHERE name = ?"),
            prepared(&sqlite(), INSERT),
            prepared(&sqlite(), BY_ID),
            prepared(&sqlite(), BY_ID),
            prepared(&sqlite(), ALL),
            prepared(&sqlite(), update),
        ])
    );
}

#[tokio::test]
async fn errors_are_classified_by_their_code() {
    let db = open().await;
    let documents = Traced::run_async(async {
        insert(&db, 7).await.unwrap();
        assert!(insert(&db, 7).await.is_err());
        assert!(db.execute_unprepared("SELECT a FROM missing WHERE b = 'planted'").await.is_err());
    })
    .await;
    let kinds = |at: usize| documents[at]["cause"]["exceptions"][0]["type"].as_str().unwrap().to_owned();
    assert_eq!((documents[1]["error"].clone(), kinds(1)), (json!(true), "SQLite 1555".to_owned()));
    assert_eq!((documents[2]["fault"].clone(), kinds(2)), (json!(true), "SQLite 1".to_owned()));

    if let Some(server) = xray_databases::postgres() {
        let traced = Traced::begin_with(false);
        let request = async {
            let db = Database::connect(server.url()).await.unwrap();
            let invalid = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT $1::integer", ["planted".into()]);
            assert!(db.query_one_raw(invalid).await.is_err());
            assert!(db.execute_unprepared("DO $$ BEGIN RAISE unique_violation; END $$").await.is_err());
        };
        traced.segment.scope(request).await;
        let documents = traced.finish();
        let call = on(server, "postgresql", "PostgreSQL");
        let statement = with(call.clone(), json!({"sql": {"preparation": "statement"}}));
        let types = |at: usize| &documents[at]["cause"]["exceptions"][0]["type"];
        assert_eq!(types(1), "SQLSTATE 23505");
        assert_eq!(documents[1]["error"], true);
        let mut first = documents[0].clone();
        first.as_object_mut().unwrap().remove("cause");
        first.as_object_mut().unwrap().remove("fault");
        first.as_object_mut().unwrap().remove("error");
        assert_eq!(first, statement);
    }
    if let Some(server) = xray_databases::mariadb() {
        let documents = Traced::run_async(async {
            let db = Database::connect(server.url()).await.unwrap();
            db.execute_unprepared(CREATE).await.unwrap();
            insert(&db, 7).await.unwrap();
            assert!(insert(&db, 7).await.is_err());
        })
        .await;
        let last = documents.as_array().unwrap().last().unwrap();
        assert_eq!((&last["error"], &last["cause"]["exceptions"][0]["type"]), (&json!(true), &json!("SQLSTATE 23000")));
        assert_eq!(last["name"], on(server, "mysql", "MySQL")["name"]);
    }
}

#[tokio::test]
async fn a_stream_lasts_until_its_end_or_until_it_is_dropped() {
    let db = open().await;
    for id in 0..3 {
        insert(db.inner(), id).await.unwrap();
    }
    let find = || item::Entity::find().order_by_asc(item::Column::Id);
    let documents = Traced::run_async(async {
        let streamed: Vec<_> = find().stream(&db).await.unwrap().try_collect().await.unwrap();
        assert_eq!(streamed.len(), 3);
        let mut rows = find().stream(&db).await.unwrap();
        assert!(rows.try_next().await.unwrap().is_some());
        xray_core::capture("meanwhile", |_| ());
        drop(rows);
        let transaction = db.begin().await.unwrap();
        let streamed: Vec<_> = find().stream(&transaction).await.unwrap().try_collect().await.unwrap();
        assert_eq!(streamed.len(), 3);
    })
    .await;
    let dropped = with(
        operation(&sqlite(), "ROLLBACK"),
        json!({"metadata": {"sql": {"operation": "ROLLBACK", "dropped": true}}}),
    );
    assert_eq!(
        documents,
        json!([
            prepared(&sqlite(), ALL),
            prepared(&sqlite(), ALL),
            {"name": "meanwhile"},
            query(&operation(&sqlite(), "BEGIN"), "BEGIN"),
            prepared(&sqlite(), ALL),
            query(&dropped, "ROLLBACK"),
        ])
    );
}

#[tokio::test]
async fn transactions_and_savepoints_show_begin_commit_and_rollback() {
    let db = open().await;
    let documents = Traced::run_async(async {
        let outer = db.begin().await.unwrap();
        insert(&outer, 1).await.unwrap();
        let inner: DatabaseTransaction = outer.begin().await.unwrap();
        insert(&inner, 2).await.unwrap();
        inner.rollback().await.unwrap();
        outer.begin().await.unwrap().commit().await.unwrap();
        outer.commit().await.unwrap();
        let result: Result<(), TransactionError<DbErr>> = db
            .transaction(|transaction| {
                Box::pin(async move {
                    insert(transaction, 3).await?;
                    Err(DbErr::Custom("no".to_owned()))
                })
            })
            .await;
        assert!(result.is_err());
        db.transaction::<_, _, DbErr>(|transaction| Box::pin(insert(transaction, 4))).await.unwrap();
        assert_eq!(item::Entity::find().count(db.inner()).await.unwrap(), 2);
    })
    .await;
    let named = |name: &str| query(&operation(&sqlite(), name), name);
    assert_eq!(
        documents,
        json!([
            named("BEGIN"),
            prepared(&sqlite(), INSERT),
            named("SAVEPOINT"),
            prepared(&sqlite(), INSERT),
            named("ROLLBACK TO SAVEPOINT"),
            named("SAVEPOINT"),
            named("RELEASE SAVEPOINT"),
            named("COMMIT"),
            named("BEGIN"),
            prepared(&sqlite(), INSERT),
            named("ROLLBACK"),
            named("BEGIN"),
            prepared(&sqlite(), INSERT),
            named("COMMIT"),
        ])
    );
}

#[tokio::test]
async fn a_call_whose_future_is_dropped_is_cancelled() {
    let Some(server) = xray_databases::postgres() else { return };
    let db =
        DatabaseConnection::new(sea_orm::Database::connect(server.url()).await.unwrap(), Sql::from_url(&server.url()));
    let documents = Traced::run_async(async {
        assert!(db.execute_unprepared("SELECT pg_sleep(10)").now_or_never().is_none());
    })
    .await;
    let call = query(&on(server, "postgresql", "PostgreSQL"), "SELECT pg_sleep(?)");
    assert_eq!(documents, json!([with(call, json!({"metadata": {"xray": {"cancelled": true}}}))]));
}

#[tokio::test]
async fn errors_without_a_code_are_faults() {
    let db = open().await;
    let documents = Traced::run_async(async {
        db.inner().clone().close().await.unwrap();
        assert!(db.execute_unprepared("SELECT 1").await.is_err());
    })
    .await;
    let causes = documents[0]["cause"]["exceptions"].as_array().unwrap();
    let types: Vec<_> = causes.iter().map(|exception| exception["type"].as_str().unwrap()).collect();
    assert_eq!((&documents[0]["fault"], &*types), (&json!(true), &["ConnectionAcquire", "ConnectionClosed"][..]));
}
