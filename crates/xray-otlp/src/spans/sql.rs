//! The `sql` block, with the current and the former attribute names.

use crate::attributes::Attributes;
use crate::document::Sql;

pub(super) fn add(sql: &Sql<'_>, attributes: &mut Attributes) {
    let (url, database) = match &sql.url {
        Some(url) => split(url),
        None => (sql.connection_string.as_deref(), None),
    };
    attributes.add("db.connection_string", url);
    attributes.add("db.name", database);
    attributes.add("db.namespace", database);
    let scheme = || sql.url.as_deref()?.split_once("://").map(|(scheme, _)| scheme);
    if let Some(kind) = sql.database_type.as_deref().or_else(scheme) {
        let (old, new) = system(kind);
        attributes.add("db.system", old.clone());
        attributes.add("db.system.name", new.map_or(old, str::to_owned));
    }
    attributes.add("db.statement", sql.sanitized_query.as_ref());
    attributes.add("db.query.text", sql.sanitized_query.as_ref());
    attributes.add("db.user", sql.user.as_ref());
    attributes.add("db.version", sql.database_version.as_ref());
    attributes.add("db.driver.version", sql.driver_version.as_ref());
    attributes.add("db.preparation", sql.preparation.as_ref());
}

/// Splits a URL into address and database. A URL without a database stays whole.
fn split(url: &str) -> (Option<&str>, Option<&str>) {
    let parts = || {
        let (path, _) = url.split_once('?').unwrap_or((url, ""));
        let authority = path.find("//")? + 2;
        let slash = authority + path[authority..].find('/')?;
        let (address, database) = (&path[..slash], &path[slash + 1..]);
        (slash > authority && !database.is_empty()).then_some((Some(address), Some(database)))
    };
    parts().unwrap_or((Some(url), None))
}

/// Returns the former OpenTelemetry name of a kind of database, and the current one if it differs. X-Ray SDKs write
/// `PostgreSQL`; collectors drop the block of a kind they do not know.
fn system(kind: &str) -> (String, Option<&'static str>) {
    let kind = kind.to_ascii_lowercase();
    let (old, new) = match kind.as_str() {
        "postgres" | "postgresql" => ("postgresql", None),
        "sqlserver" | "mssql" | "microsoft sql server" | "sql server" => ("mssql", Some("microsoft.sql_server")),
        "oracle" => ("oracle", Some("oracle.db")),
        _ => return (kind, None),
    };
    (old.to_owned(), new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_into_address_and_database() {
        for (url, want) in [
            ("postgresql://db:5432/shop", (Some("postgresql://db:5432"), Some("shop"))),
            ("mysql://db/shop?ssl=1", (Some("mysql://db"), Some("shop"))),
            ("sqlite://localhost//var/shop.db", (Some("sqlite://localhost"), Some("/var/shop.db"))),
            ("sqlite://localhost/:memory:", (Some("sqlite://localhost"), Some(":memory:"))),
            ("redis://h:6379", (Some("redis://h:6379"), None)),
            ("redis://h:6379/", (Some("redis://h:6379/"), None)),
            ("sqlite:shop.db", (Some("sqlite:shop.db"), None)),
            ("", (Some(""), None)),
        ] {
            assert_eq!(split(url), want, "{url}");
        }
    }

    #[test]
    fn kinds_of_databases_get_their_opentelemetry_names() {
        for (kind, old, new) in [
            ("PostgreSQL", "postgresql", None),
            ("postgres", "postgresql", None),
            ("MySQL", "mysql", None),
            ("Microsoft SQL Server", "mssql", Some("microsoft.sql_server")),
            ("Oracle", "oracle", Some("oracle.db")),
            ("SQLite", "sqlite", None),
            ("redis", "redis", None),
        ] {
            assert_eq!(system(kind), (old.to_owned(), new), "{kind}");
        }
    }
}
