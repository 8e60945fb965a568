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

fn deadlock() -> serde_json::Value {
    failure("fault", "SQLSTATE 40P01", "deadlock detected at line ?")
}

cases!("$1", "CREATE UNIQUE INDEX violated_name ON violated (name)");
server_cases!("$1");

#[tokio::test]
async fn a_statement_timeout_is_a_fault() {
    let Some(pool) = pool(1).await else { return };
    let expected = expected(&pool).await;
    (&*pool).execute("SET statement_timeout = 20").await.unwrap();
    let ((), got) = traced(async {
        sqlx::query("SELECT pg_sleep(60)").execute(&pool).await.unwrap_err();
    })
    .await;
    let want = [
        ("SQLSTATE 57014", "error returned from database: canceling statement due to statement timeout at line 3402"),
        ("PgDatabaseError", "canceling statement due to statement timeout at line 3402"),
    ];
    let mut got = got;
    // The place in the server's source differs from version to version. Texts are collected, so it is not replaced.
    let causes = got[0]["cause"].take();
    for (cause, (kind, text)) in causes.as_array().unwrap().iter().zip(want) {
        let start = text.trim_end_matches(|c: char| c.is_ascii_digit());
        assert!(cause[0] == kind && cause[1].as_str().unwrap().starts_with(start), "{causes}");
    }
    assert_eq!(got, json!([and(expected.prepared("SELECT pg_sleep(?)"), json!({"fault": true, "cause": null}))]));
}

#[tokio::test]
async fn a_cancelled_call_is_closed_without_a_flag() {
    let Some(pool) = pool(4).await else { return };
    let expected = expected(&pool).await;
    let query = "SELECT pg_sleep(60)";
    let ((), got) = traced(async {
        let mut connection = pool.acquire().await.unwrap();
        let by_row = sqlx::query(query).fetch_optional(&mut *connection);
        assert!(tokio::time::timeout(SHORT, by_row).await.is_err());
        let all = sqlx::query(query).fetch_all(&pool);
        assert!(tokio::time::timeout(SHORT, all).await.is_err());
        let result = sqlx::query(query).execute(&pool);
        assert!(tokio::time::timeout(SHORT, result).await.is_err());
    })
    .await;
    let want = and(expected.prepared("SELECT pg_sleep(?)"), cancelled());
    assert_eq!(got, json!([want, want, want]));
}

#[tokio::test]
async fn a_server_that_dies_in_a_query_is_a_fault() {
    let Some(server) = xray_databases::Server::postgres() else { return };
    let pool = support::pool(options(1).connect(&server.url()).await.unwrap());
    let expected = expected(&pool).await;
    let ((), got) = traced_with(false, async {
        let (started, dying) = tokio::sync::oneshot::channel();
        let query = async {
            let mut connection = pool.acquire().await.unwrap();
            let mut rows = sqlx::query("SELECT generate_series(1, 1000000000)").fetch(&mut *connection);
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
        let options = pool.connect_options();
        xray_sqlx::PgConnection::connect_with(&options).await.map(|_| ()).unwrap_err();
    })
    .await;
    let mut got = got;
    let lost = got[0]["cause"][0][0].clone();
    assert!(lost == "Io" || lost == "SQLSTATE 57P02" || lost == "SQLSTATE 57P01", "{got}");
    got[0]["cause"] = json!(null);
    assert_eq!(got[0], and(expected.prepared(""), json!({"fault": true, "cause": null})));
    let mut refused = got[1].clone();
    assert_eq!(refused["cause"][0][0], "Io", "{got}");
    refused["cause"] = json!(null);
    let mut connect = expected.operation("CONNECT");
    connect["sql"].as_object_mut().unwrap().retain(|name, _| name != "sanitized_query" && name != "database_version");
    assert_eq!(refused, and(connect, json!({"fault": true, "cause": null})));
}

#[tokio::test]
async fn listen_and_notify_are_calls_and_waiting_for_notifications_is_none() {
    let Some(pool) = pool(2).await else { return };
    let expected = expected(&pool).await;
    let (payload, got) = traced(async {
        let mut listener = sqlx::postgres::PgListener::connect_with(&pool).await.unwrap();
        listener.listen("orders").await.unwrap();
        sqlx::query("LISTEN other").execute(&pool).await.unwrap();
        sqlx::query("SELECT pg_notify('orders', $1)").bind("s3cret").execute(&pool).await.unwrap();
        listener.recv().await.unwrap().payload().to_owned()
    })
    .await;
    assert_eq!(payload, "s3cret");
    assert_eq!(got, json!([expected.prepared("LISTEN other"), expected.prepared("SELECT pg_notify(?, $1)")]));
}

#[tokio::test]
async fn a_copy_lasts_until_its_end() {
    let Some(pool) = pool(2).await else { return };
    let expected = expected(&pool).await;
    table(&pool, "copied").await;
    let (copy_in, copy_out) = ("COPY copied (id, name) FROM STDIN", "COPY copied TO STDOUT");
    let ((), got) = traced(async {
        let mut copy = pool.copy_in_raw(copy_in).await.unwrap();
        copy.send(&b"10\ts3cret\n11\ts3cret\n"[..]).await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), 2);
        let mut connection = pool.acquire().await.unwrap();
        let mut copy = connection.copy_in_raw(copy_in).await.unwrap();
        copy.send(&b"no number\tx\n"[..]).await.unwrap();
        copy.finish().await.unwrap_err();
        // sqlx cannot use the connection again.
        connection.close().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        connection.copy_in_raw(copy_in).await.unwrap().abort("no").await.unwrap();
        let rows: Vec<_> = connection.copy_out_raw(copy_out).await.unwrap().try_collect().await.unwrap();
        assert_eq!(rows.len(), 5);
        drop(connection.copy_in_raw(copy_in).await.unwrap());
        pool.copy_out_raw("COPY no_such_table TO STDOUT").await.map(|_| ()).unwrap_err();
    })
    .await;
    let copy = |text: &str| and(expected.operation("COPY"), json!({"sql": expected.simple(text)["sql"]}));
    let mut got = got;
    for (index, code) in [(1, "SQLSTATE 22P02"), (5, "SQLSTATE 42P01")] {
        assert_eq!(got[index]["cause"].take()[0][0], code);
    }
    assert_eq!(
        got,
        json!([
            copy(copy_in),
            and(copy(copy_in), json!({"error": true, "cause": null})),
            copy(copy_in),
            copy(copy_out),
            and(copy(copy_in), json!({"metadata": {"sql": {"operation": "COPY"}, "xray": {"cancelled": true}}})),
            and(copy("COPY no_such_table TO STDOUT"), json!({"fault": true, "cause": null})),
        ])
    );
}
