struct State {
    pool: sqlx::PgPool,
}

async fn state(url: &str) -> Result<State, sqlx::Error> {
    let pool = xray_sqlx::PgPool::connect(url).await?;
    Ok(State { pool })
}

fn main() {}
