//! The cases that all databases have in common.

/// Defines a test for each case. `pool(n)` is a pool of n connections to an empty database, or `None`; `expected(&pool).await` what
/// is recorded of it. `$one` is the first placeholder.
macro_rules! cases {
    ($one:literal, $key:literal) => {
        use futures_util::TryStreamExt;
        use serde_json::json;
        use sqlx::{AssertSqlSafe, Executor, QueryBuilder, Row};

        use crate::support::{SHORT, and, cancelled, failed, traced, traced_with};

        /// Creates a table of its own for a test, on which nothing is recorded.
        async fn table(pool: &Pool, name: &str) {
            for statement in [
                format!("DROP TABLE IF EXISTS {name}"),
                format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL)"),
                format!("INSERT INTO {name} VALUES (1, 'tea'), (2, 'milk'), (3, 'rice')"),
            ] {
                sqlx::query(AssertSqlSafe(statement)).execute(&**pool).await.unwrap();
            }
        }

        #[tokio::test]
        async fn a_select_is_one_call() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "selected").await;
            let query = concat!("SELECT name FROM selected WHERE id = ", $one);
            let (name, got) = traced(async {
                sqlx::query_scalar::<_, String>(query).bind(2).fetch_one(&pool).await.unwrap()
            })
            .await;
            assert_eq!((name.as_str(), got), ("milk", json!([expected.prepared(query)])));
            // The text only on request.
            let (rows, got) = traced_with(false, async { sqlx::query(query).bind(2).fetch_all(&pool).await.unwrap() }).await;
            assert_eq!((rows.len(), got), (1, json!([expected.prepared("")])));
            // Without arguments or with literals, in all ways to fetch.
            let (_, got) = traced(async {
                let query = sqlx::raw_sql("SELECT id FROM selected WHERE name <> 'x' /* s3cret */ ORDER BY id");
                assert_eq!(query.fetch_all(&pool).await.unwrap().len(), 3);
                let query = "SELECT id FROM selected WHERE name = 's3cret'";
                assert!((&pool).fetch_optional(query).await.unwrap().is_none());
                assert_eq!(pool.acquire().await.unwrap().fetch_all("SELECT 's3cret'").await.unwrap().len(), 1);
            })
            .await;
            let texts = ["SELECT id FROM selected WHERE name <> ? ORDER BY id", "SELECT id FROM selected WHERE name = ?", "SELECT ?"];
            assert_eq!(got, json!(texts.map(|text| expected.simple(text))));
        }

        #[tokio::test]
        async fn an_insert_returns_its_row() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "inserted").await;
            let query = concat!("INSERT INTO inserted (id, name) VALUES (7, ", $one, ") RETURNING id");
            let (id, got) = traced(async {
                sqlx::query(query).bind("s3cret").fetch_one(&pool).await.unwrap().get::<i32, _>(0)
            })
            .await;
            let text = concat!("INSERT INTO inserted (id, name) VALUES (?, ", $one, ") RETURNING id");
            assert_eq!((id, got), (7, json!([expected.prepared(text)])));
        }

        #[tokio::test]
        async fn a_stream_lasts_until_its_end_or_until_it_is_dropped() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "streamed").await;
            let query = "SELECT id FROM streamed ORDER BY id";
            for rows_read in [1, 4] {
                let (recorder, mut documents) = xray_behaviours::documents::recorder_with(xray_core::sampling::Always);
                let segment = recorder.begin("web");
                let between = segment.scope(async {
                    let mut rows = sqlx::query(query).fetch(&pool);
                    for _ in 0..rows_read {
                        rows.try_next().await.unwrap();
                    }
                    // The next subsegment begins before the stream is dropped, and after its end.
                    xray_core::subsegment("after").close();
                });
                between.await;
                segment.close();
                let document = documents.raw().await;
                let [rows, after] = &document["subsegments"].as_array().unwrap()[..] else { panic!("{document}") };
                let is_open = rows["end_time"].as_f64() >= after["end_time"].as_f64();
                assert_eq!(is_open, rows_read == 1, "{document}");
                let rows = xray_behaviours::documents::normalised(rows.clone());
                assert_eq!(rows, expected.prepared(""), "nothing marks a stream that the application does not read to its end");
            }
            // A stream that was never polled is no call.
            let ((), got) = traced(async { drop(sqlx::query(query).fetch(&pool)) }).await;
            assert_eq!(got, json!([]));
        }

        #[tokio::test]
        async fn a_missing_row_is_no_failure_and_a_missing_table_is_a_fault() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "missed").await;
            let query = concat!("SELECT id FROM missed WHERE id = ", $one);
            let (error, got) =
                traced(async { sqlx::query(query).bind(99).fetch_one(&pool).await.unwrap_err() }).await;
            assert!(matches!(error, sqlx::Error::RowNotFound));
            assert_eq!(got, json!([expected.prepared(query)]));
            let (error, got) = traced_with(false, async {
                sqlx::query("SELECT id FROM no_such_table").execute(&pool).await.unwrap_err()
            })
            .await;
            assert!(matches!(error, sqlx::Error::Database(_)));
            assert_eq!(got, json!([and(expected.prepared(""), missing_table())]));
        }

        #[tokio::test]
        async fn a_violated_constraint_is_an_error_and_does_not_reveal_the_value() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "violated").await;
            (&*pool).execute($key).await.unwrap();
            let query = concat!("INSERT INTO violated (id, name) VALUES (8, ", $one, ")");
            (&*pool).execute(sqlx::query(concat!("INSERT INTO violated (id, name) VALUES (9, ", $one, ")")).bind("s3cret")).await.unwrap();
            let (error, got) = traced_with(false, async {
                sqlx::query(query).bind("s3cret").execute(&pool).await.unwrap_err()
            })
            .await;
            assert!(error.as_database_error().unwrap().is_unique_violation());
            assert_eq!(got, json!([and(expected.prepared(""), unique_violation())]));
        }

        #[tokio::test]
        async fn a_transaction_shows_its_beginning_and_its_end() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "committed").await;
            let update = concat!("UPDATE committed SET name = ", $one, " WHERE id = 1");
            let ((), got) = traced(async {
                let mut tx = pool.begin().await.unwrap();
                sqlx::query(update).bind("coffee").execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                let mut tx = pool.begin().await.unwrap();
                sqlx::query(update).bind("water").execute(&mut *tx).await.unwrap();
                tx.rollback().await.unwrap();
            })
            .await;
            let updated = expected.prepared(&update.replace("= 1", "= ?"));
            let [begin, commit, rollback] = ["BEGIN", "COMMIT", "ROLLBACK"].map(|name| expected.operation(name));
            assert_eq!(got, json!([begin, updated, commit, begin, updated, rollback]));
            let name: String = sqlx::query_scalar("SELECT name FROM committed WHERE id = 1").fetch_one(&*pool).await.unwrap();
            assert_eq!(name, "coffee");
        }

        #[tokio::test]
        async fn a_dropped_transaction_is_rolled_back() {
            let Some(pool) = pool(1).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "dropped").await;
            let delete = "DELETE FROM dropped";
            let ((), got) = traced(async {
                let mut tx = pool.begin().await.unwrap();
                tx.execute(delete).await.unwrap();
            })
            .await;
            let dropped = json!({"metadata": {"sql": {"operation": "ROLLBACK", "dropped": true}}});
            let rollback = and(expected.operation("ROLLBACK"), dropped);
            assert_eq!(got, json!([expected.operation("BEGIN"), expected.simple(delete), rollback]));
            let left: i64 = sqlx::query_scalar("SELECT count(*) FROM dropped").fetch_one(&*pool).await.unwrap();
            assert_eq!(left, 3);
        }

        #[tokio::test]
        async fn a_nested_transaction_is_a_savepoint() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "nested").await;
            let delete = "DELETE FROM nested";
            let ((), got) = traced(async {
                let mut connection = pool.acquire().await.unwrap();
                let mut outer = connection.begin().await.unwrap();
                let mut inner = outer.begin().await.unwrap();
                inner.execute(delete).await.unwrap();
                inner.rollback().await.unwrap();
                outer.begin().await.unwrap().commit().await.unwrap();
                outer.commit().await.unwrap();
                connection.transaction(|tx| Box::pin(async move {
                    tx.execute(delete).await.map(|_| ())
                })).await.unwrap();
            })
            .await;
            let operations = |names: &[&str]| names.iter().map(|name| expected.operation(name)).collect::<Vec<_>>();
            let mut want = operations(&["BEGIN", "SAVEPOINT"]);
            want.push(expected.simple(delete));
            want.extend(operations(&["ROLLBACK TO SAVEPOINT", "SAVEPOINT", "RELEASE SAVEPOINT", "COMMIT", "BEGIN"]));
            want.push(expected.simple(delete));
            want.extend(operations(&["COMMIT"]));
            assert_eq!(got, json!(want));
        }

        #[tokio::test]
        async fn several_statements_in_one_text_are_one_call_with_their_number() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "several").await;
            let ((), got) = traced(async {
                let text = "DELETE FROM several WHERE id = 1; DELETE FROM several WHERE id = 2; SELECT id FROM several";
                sqlx::raw_sql(text).execute(&pool).await.unwrap();
            })
            .await;
            let text = "DELETE FROM several WHERE id = ?; DELETE FROM several WHERE id = ?; SELECT id FROM several";
            let number = json!({"metadata": {"sql": {"statements": 3}}});
            assert_eq!(got, json!([and(expected.simple(text), number)]));
        }

        #[tokio::test]
        async fn an_exhausted_pool_is_a_fault_of_the_wait() {
            let Some(pool) = pool_with(options(1).acquire_timeout(std::time::Duration::from_secs(3))).await else { return };
            let name = expected(&pool).await.name;
            let ((), got) = traced(async {
                let _held = (*pool).acquire().await.unwrap();
                let error = sqlx::query("SELECT 1").execute(&pool).await.unwrap_err();
                assert!(matches!(error, sqlx::Error::PoolTimedOut));
            })
            .await;
            let failed = failed("fault", &[("PoolTimedOut", "pool timed out while waiting for an open connection")]);
            assert_eq!(got, json!([and(json!({"name": format!("acquire {name}")}), failed)]));
        }

        #[tokio::test]
        async fn a_wait_for_a_connection_is_recorded_from_a_bound_on() {
            let Some(pool) = pool(1).await else { return };
            let pool = pool.with_min_wait(std::time::Duration::ZERO);
            let (expected, held) = (expected(&pool).await, (*pool).acquire().await.unwrap());
            let ((), got) = traced(async {
                let waiting = async { sqlx::query("SELECT 1").execute(&pool).await.unwrap() };
                let releasing = async { drop(held) };
                tokio::join!(waiting, releasing);
                let held = (*pool).acquire().await.unwrap();
                assert!(tokio::time::timeout(SHORT, pool.acquire()).await.is_err());
                drop(held);
            })
            .await;
            let wait = json!({"name": format!("acquire {}", expected.name)});
            assert_eq!(got, json!([wait, expected.prepared("SELECT ?"), and(wait.clone(), cancelled())]));
        }

        #[tokio::test]
        async fn concurrent_calls_are_siblings_and_leave_no_context_behind() {
            let Some(pool) = pool(5).await else { return };
            let expected = expected(&pool).await;
            let (recorder, mut documents) = xray_behaviours::documents::recorder_built(
                xray_core::sampling::Always,
                |builder| builder.streaming_threshold(1000),
            );
            let segment = recorder.begin("web");
            let work = async {
                let step = xray_core::subsegment("step");
                let calls = (0..100).map(|n| sqlx::query(concat!("SELECT ", $one)).bind(n).fetch_one(&pool));
                let rows = step.scope(futures_util::future::join_all(calls)).await;
                assert!(rows.iter().all(Result::is_ok));
                assert_eq!(xray_core::try_current().and_then(|entity| entity.id()), segment.id());
                step.close();
            };
            segment.scope(work).await;
            assert!(xray_core::try_current().is_none());
            // The tasks of the pool have no context either.
            let before = xray_core::FutureExt::in_current(async { xray_core::try_current().is_none() });
            assert!(tokio::spawn(before).await.unwrap());
            segment.close();
            let document = documents.next().await;
            let calls = document["subsegments"][0]["subsegments"].as_array().unwrap();
            assert_eq!((document["subsegments"].as_array().unwrap().len(), calls.len()), (1, 100));
            assert!(calls.iter().all(|call| *call == expected.prepared("")), "{document}");
        }

        #[tokio::test]
        async fn a_prepared_statement_and_a_built_query_are_recorded() {
            let Some(pool) = pool(1).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "built").await;
            let query = concat!("SELECT name FROM built WHERE id = ", $one);
            let ((), got) = traced(async {
                use sqlx::{SqlSafeStr, Statement};
                let statement = (&pool).prepare(query.into_sql_str()).await.unwrap();
                let name: String = statement.query().bind(1).fetch_one(&pool).await.unwrap().get(0);
                assert_eq!(name, "tea");
                let mut builder = QueryBuilder::<Database>::new("SELECT name FROM built WHERE id IN (");
                builder.separated(", ").push_bind(1).push_bind(2);
                builder.push(")");
                assert_eq!(builder.build().fetch_all(&pool).await.unwrap().len(), 2);
            })
            .await;
            let prepare = and(expected.operation("PREPARE"), json!({"sql": expected.simple(query)["sql"]}));
            let second = if $one == "?" { "?" } else { "$2" };
            let built = format!("SELECT name FROM built WHERE id IN ({}, {second})", $one);
            assert_eq!(got, json!([prepare, expected.prepared(query), expected.prepared(&built)]));
        }

        #[tokio::test]
        async fn an_unsampled_or_missing_segment_changes_nothing() {
            let Some(pool) = pool(1).await else { return };
            table(&pool, "unsampled").await;
            let query = concat!("SELECT name FROM unsampled WHERE id = ", $one);
            let name: String = sqlx::query_scalar(query).bind(1).fetch_one(&pool).await.unwrap();
            let (other, got) = traced(async {
                let unsampled = xray_core::current().unsampled_subsegment();
                let work = async {
                    let mut tx = pool.begin().await.unwrap();
                    let name: String = sqlx::query_scalar(query).bind(1).fetch_one(&mut *tx).await.unwrap();
                    tx.commit().await.unwrap();
                    name
                };
                unsampled.scope(work).await
            })
            .await;
            assert_eq!((name, got), (other, json!([])));
        }
    };
}

/// Defines a test for each case that servers have in common, and SQLite does not have. `deadlock()` is the failure of the
/// transaction that the server ends. Uses what [`cases`] defines.
macro_rules! server_cases {
    ($one:literal) => {
        #[tokio::test]
        async fn a_deadlock_is_a_fault_of_one_of_both() {
            let Some(pool) = pool(2).await else { return };
            let expected = expected(&pool).await;
            table(&pool, "deadlocked").await;
            let lock = concat!("SELECT id FROM deadlocked WHERE id = ", $one, " FOR UPDATE");
            let ((), got) = traced_with(false, async {
                let (mut first, mut second) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
                sqlx::query(lock).bind(1).execute(&mut *first).await.unwrap();
                sqlx::query(lock).bind(2).execute(&mut *second).await.unwrap();
                let (a, b) = tokio::join!(
                    async {
                        let result = sqlx::query(lock).bind(2).execute(&mut *first).await;
                        first.rollback().await.unwrap();
                        result
                    },
                    async {
                        let result = sqlx::query(lock).bind(1).execute(&mut *second).await;
                        second.rollback().await.unwrap();
                        result
                    },
                );
                assert_ne!(a.is_ok(), b.is_ok());
            })
            .await;
            let calls = got.as_array().unwrap();
            let failed = calls.iter().filter(|call| call["fault"] == true).collect::<Vec<_>>();
            assert_eq!((calls.len(), failed.len()), (8, 1));
            assert_eq!(*failed[0], and(expected.prepared(""), deadlock()));
        }
    };
}
