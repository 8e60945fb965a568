//! The shop: the same code for each database. Only the pool is one of `xray_sqlx`.

use std::error::Error;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join;
use xray_core::{Recorder, annotate};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TABLES: &str =
    "CREATE TABLE xray_items (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL, stock INTEGER NOT NULL);
    CREATE TABLE xray_orders (id INTEGER PRIMARY KEY, item INTEGER NOT NULL);
    INSERT INTO xray_items VALUES (1, 'book', 10), (2, 'lamp', 3), (3, 'chair', 1);";

pub(crate) enum Shop {
    Sqlite(sqlite::Shop),
    Postgres(postgres::Shop),
    MySql(mysql::Shop),
}

/// Opens the database of a URL, and creates the tables.
pub(crate) async fn open(url: &str) -> Result<Shop> {
    Ok(match url.split(':').next() {
        Some("postgres" | "postgresql") => Shop::Postgres(postgres::open(url).await?),
        Some("mysql" | "mariadb") => Shop::MySql(mysql::open(url).await?),
        _ => Shop::Sqlite(sqlite::open(url).await?),
    })
}

impl Shop {
    /// Serves some requests, and returns their number.
    pub(crate) async fn visit(&self) -> Result<usize> {
        match self {
            Shop::Sqlite(shop) => shop.visit().await,
            Shop::Postgres(shop) => shop.visit().await,
            Shop::MySql(shop) => shop.visit().await,
        }
    }

    /// Drops the tables.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Shop::Sqlite(shop) => shop.close().await,
            Shop::Postgres(shop) => shop.close().await,
            Shop::MySql(shop) => shop.close().await,
        }
    }
}

/// Defines the shop for a database, whose placeholders are `$first` and `$second`.
macro_rules! shop {
    ($module:ident, $pool:ident, $options:path, $first:literal, $second:literal) => {
        pub(crate) mod $module {
            use super::*;

            pub(crate) struct Shop {
                pool: xray_sqlx::$pool,
            }

            pub(crate) async fn open(url: &str) -> Result<Shop> {
                let pool = <$options>::new().max_connections(1).connect(url).await?;
                sqlx::raw_sql(TABLES).execute(&pool).await?; // not recorded: this is sqlx's own pool
                Ok(Shop { pool: xray_sqlx::$pool::from(pool) })
            }

            impl Shop {
                pub(crate) async fn visit(&self) -> Result<usize> {
                    request("list", self.list()).await?;
                    request("order", self.order(7, 1)).await?;
                    request("order again", self.order(7, 2)).await.unwrap_or_else(|error| println!("{error}\n"));
                    request("report", self.report()).await.unwrap_or_else(|error| println!("{error}\n"));
                    request("cancel", self.cancel(7)).await?;
                    Ok(5)
                }

                /// Streams rows. The call lasts until the last one.
                async fn list(&self) -> Result<()> {
                    let mut items =
                        sqlx::query_as::<_, (String, i32)>("SELECT name, stock FROM xray_items").fetch(&self.pool);
                    while let Some((name, stock)) = items.try_next().await? {
                        println!("{name}: {stock}");
                    }
                    println!();
                    Ok(())
                }

                /// Two statements in a transaction. The second order with the same id violates a constraint; the
                /// transaction is then dropped, which rolls it back.
                async fn order(&self, id: i32, item: i32) -> Result<()> {
                    let mut transaction = self.pool.begin().await?;
                    sqlx::query(concat!("UPDATE xray_items SET stock = stock - 1 WHERE id = ", $first))
                        .bind(item)
                        .execute(&mut *transaction)
                        .await?;
                    sqlx::query(concat!("INSERT INTO xray_orders (id, item) VALUES (", $first, ", ", $second, ")"))
                        .bind(id)
                        .bind(item)
                        .execute(&mut *transaction)
                        .await?;
                    Ok(transaction.commit().await?)
                }

                /// Two calls at once, of which one waits for the only connection, and one to a table that does not exist.
                async fn report(&self) -> Result<()> {
                    let count = |query: &'static str| sqlx::query_scalar::<_, i64>(query).fetch_one(&self.pool);
                    let items = count("SELECT count(*) FROM xray_items");
                    let orders = count("SELECT count(*) FROM xray_orders WHERE item < 100");
                    try_join(items, orders).await?;
                    count("SELECT count(*) FROM xray_reports WHERE year = 2026").await?;
                    Ok(())
                }

                async fn cancel(&self, id: i32) -> Result<()> {
                    let query = concat!("DELETE FROM xray_orders WHERE id = ", $first);
                    let cancelled = sqlx::query(query).bind(id).execute(&self.pool).await?;
                    annotate("cancelled", cancelled.rows_affected());
                    Ok(())
                }

                pub(crate) async fn close(self) -> Result<()> {
                    // The pool of sqlx again, whose calls are not recorded.
                    let pool = (*self.pool).clone();
                    sqlx::raw_sql("DROP TABLE xray_items; DROP TABLE xray_orders").execute(&pool).await?;
                    Ok(pool.close().await)
                }
            }
        }
    };
}

shop!(sqlite, SqlitePool, sqlx::sqlite::SqlitePoolOptions, "?", "?");
shop!(postgres, PgPool, sqlx::postgres::PgPoolOptions, "$1", "$2");
shop!(mysql, MySqlPool, sqlx::mysql::MySqlPoolOptions, "?", "?");

/// Serves a request as one trace. A server layer such as `XRayLayer` does this in a real service.
async fn request(name: &str, work: impl Future<Output = Result<()>>) -> Result<()> {
    let segment = Recorder::global().begin("shop");
    segment.annotate("request", name);
    let result = segment.scope(work).await;
    if let Err(error) = &result {
        segment.fault(&**error);
    }
    segment.close();
    result
}
