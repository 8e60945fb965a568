//! One program with sqlx's types and with this crate's: it compiles with both, and behaves the same.

use std::fmt::Debug;

use futures_util::TryStreamExt;
use sqlx::{Acquire, Connection as _, PgExecutor, QueryBuilder, SqliteExecutor};

use crate::support::{pool, traced};

/// What the program saw.
#[derive(Default)]
struct Log(Vec<String>);

impl Log {
    fn note(&mut self, seen: impl Debug) {
        self.0.push(format!("{seen:?}"));
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    #[expect(dead_code, reason = "its Debug text is compared")]
    name: String,
}

async fn count(executor: impl PgExecutor<'_>) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!("SELECT count(*) FROM program").fetch_one(executor).await
}

async fn count_in_sqlite(executor: impl SqliteExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM program").fetch_one(executor).await
}

async fn acquired<'a>(from: impl Acquire<'a, Database = sqlx::Postgres>) -> sqlx::Result<Option<i64>> {
    let mut connection = from.acquire().await?;
    count(&mut *connection).await
}

async fn begun<'a>(from: impl Acquire<'a, Database = sqlx::Postgres>) -> sqlx::Result<()> {
    let mut tx = from.begin().await?;
    count(&mut *tx).await?;
    tx.commit().await
}

macro_rules! program {
    ($name:ident, $types:ident) => {
        mod $name {
            use $types::{PgConnection, PgPool, PgTransaction, SqlitePool};

            use super::*;

            async fn rename(connection: &mut PgConnection, name: &str) -> sqlx::Result<u64> {
                let renamed = sqlx::query("UPDATE program SET name = $1").bind(name).execute(&mut *connection).await?;
                Ok(renamed.rows_affected())
            }

            async fn rename_in(tx: &mut PgTransaction<'_>, name: &str) -> sqlx::Result<u64> {
                rename(&mut *tx, name).await
            }

            pub(super) async fn postgres(pool: &PgPool) -> Log {
                #[derive(Debug)]
                struct Item {
                    #[expect(dead_code, reason = "its Debug text is compared")]
                    id: i32,
                    #[expect(dead_code, reason = "its Debug text is compared")]
                    name: String,
                }

                let mut log = Log::default();
                let insert = || sqlx::query!("INSERT INTO program (id, name) VALUES ($1, $2)", 4, "salt");
                log.note(insert().execute(pool).await);
                log.note(insert().execute(pool).await.map_err(|error| {
                    let error = error.into_database_error().unwrap();
                    (error.kind(), error.code().map(|code| code.into_owned()))
                }));
                let by_id = || sqlx::query_as!(Item, "SELECT id, name FROM program WHERE id = $1", 4);
                log.note(by_id().fetch_one(pool).await.unwrap());
                let mut connection = pool.acquire().await.unwrap();
                log.note(by_id().fetch_optional(&mut *connection).await.unwrap());
                log.note(count(&mut *connection).await.unwrap());
                log.note(rename(&mut connection, "pepper").await.unwrap());
                log.note(count(pool).await.unwrap());
                log.note(acquired(pool).await.unwrap());
                log.note(acquired(&mut connection).await.unwrap());
                begun(pool).await.unwrap();
                begun(&mut *connection).await.unwrap();
                let mut tx = pool.begin().await.unwrap();
                log.note(by_id().fetch_all(&mut *tx).await.unwrap());
                log.note(rename_in(&mut tx, "sugar").await.unwrap());
                log.note(acquired(&mut tx).await.unwrap());
                let mut nested = tx.begin().await.unwrap();
                log.note(rename(&mut nested, "flour").await.unwrap());
                nested.rollback().await.unwrap();
                tx.commit().await.unwrap();
                let mut builder = QueryBuilder::<sqlx::Postgres>::new("SELECT name FROM program WHERE id = ANY(");
                builder.push_bind(vec![3, 4]).push(") ORDER BY id");
                log.note(builder.build_query_as::<Row>().fetch_all(pool).await.unwrap());
                let rows = sqlx::query_as::<_, (i32,)>("SELECT 10 / (2 - g) FROM generate_series(0, 4) g").fetch(pool);
                log.note(rows.try_collect::<Vec<_>>().await.unwrap_err().to_string());
                let unit = connection.transaction(|tx| Box::pin(async move { rename(&mut *tx, "oil").await })).await;
                log.note(unit.unwrap());
                let lock = sqlx::postgres::PgAdvisoryLock::new("program");
                let guard = lock.acquire(&mut connection).await.unwrap();
                log.note(guard.release_now().await.is_ok());
                log.note(sqlx::query_scalar::<_, String>("SELECT 1").fetch_one(pool).await.unwrap_err().to_string());
                log.note(sqlx::query("SELECT 1 WHERE false").fetch_one(pool).await.err().unwrap().to_string());
                log.note(pool.options().get_max_connections());
                connection.close().await.unwrap();
                log
            }

            pub(super) async fn sqlite(pool: &SqlitePool) -> Log {
                #[derive(Debug)]
                struct Item {
                    #[expect(dead_code, reason = "its Debug text is compared")]
                    id: i64,
                    #[expect(dead_code, reason = "its Debug text is compared")]
                    name: String,
                }

                let mut log = Log::default();
                let insert = || sqlx::query!("INSERT INTO program (id, name) VALUES (?, ?)", 4, "salt");
                log.note(insert().execute(pool).await);
                log.note(insert().execute(pool).await.unwrap_err().to_string());
                let mut tx = pool.begin().await.unwrap();
                let by_id = sqlx::query_as!(Item, "SELECT id, name FROM program WHERE id = ?", 4);
                log.note(by_id.fetch_one(&mut *tx).await.unwrap());
                log.note(count_in_sqlite(&mut *tx).await.unwrap());
                tx.rollback().await.unwrap();
                log.note(count_in_sqlite(pool).await.unwrap());
                log
            }
        }
    };
}
program!(bare, sqlx);
program!(wrapped, xray_sqlx);

const TABLE: [&str; 3] = [
    "DROP TABLE IF EXISTS program",
    "CREATE TABLE program (id INTEGER PRIMARY KEY NOT NULL, name VARCHAR(50) NOT NULL)",
    "INSERT INTO program VALUES (3, 'rice')",
];

#[tokio::test]
async fn a_program_behaves_the_same_on_postgresql() {
    let Some(server) = xray_databases::postgres() else { return };
    let raw = sqlx::postgres::PgPoolOptions::new().max_connections(4).connect(&server.url()).await.unwrap();
    let mut logs = Vec::new();
    for is_traced in [false, true] {
        for statement in TABLE {
            sqlx::query(statement).execute(&raw).await.unwrap();
        }
        let log = match is_traced {
            false => bare::postgres(&raw).await,
            true => {
                let (log, calls) = traced(wrapped::postgres(&pool(raw.clone()))).await;
                assert!(calls.as_array().is_some_and(|calls| calls.len() > 20), "{calls}");
                log
            }
        };
        logs.push(log.0);
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[0].len(), 20);
}

#[tokio::test]
async fn a_program_behaves_the_same_on_sqlite() {
    let mut logs = Vec::new();
    for is_traced in [false, true] {
        let raw = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        for statement in TABLE {
            sqlx::query(statement).execute(&raw).await.unwrap();
        }
        let log = match is_traced {
            false => bare::sqlite(&raw).await,
            true => traced(wrapped::sqlite(&pool(raw))).await.0,
        };
        logs.push(log.0);
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[0].len(), 5);
}
