//! deadpool-postgres: the wait for a connection, and the call.

use deadpool_postgres::{Pool, PoolError};
use xray_core::{FutureExt as _, Sql};

/// Records the wait for a connection, next to the call.
///
/// # Errors
///
/// Returns the errors of the pool and of the driver.
pub async fn price(db: &Sql, pool: &Pool, item: i32) -> Result<i32, PoolError> {
    let client = pool.get().in_subsegment("acquire").await?;
    Ok(crate::postgres::price(db, &client, item).await?)
}
