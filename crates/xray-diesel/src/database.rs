//! The database of a connection, from the text that opens it.

use xray_core::Sql;

/// Describes the database of a connection. Passwords and options are dropped.
///
/// A path without a scheme is a SQLite database, since all other backends need a URL or parameters. What may be a malformed
/// connection string, and thus contain a password, is not used.
pub(crate) fn of(url: &str) -> Sql {
    let is_path = !url.is_empty() && !url.contains(['@', '=', ';', '?']) && !url.contains(':');
    let sql = if is_path { Sql::from_url(&format!("sqlite:{url}")) } else { Sql::from_url(url) };
    sql.driver_version("diesel 2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_diesels_connections_is_known() {
        for (url, name, recorded) in [
            ("postgres://app:planted@db:5432/shop", "shop@db", Some("postgresql://db:5432/shop")),
            ("host=db user=app password=planted dbname=shop", "shop@db", Some("postgresql://db/shop")),
            ("mysql://app:planted@db/shop?ssl_mode=required", "shop@db", Some("mysql://db/shop")),
            ("data/shop", "shop@localhost", Some("sqlite://localhost/data/shop")),
            ("shop.db", "shop.db@localhost", Some("sqlite://localhost/shop.db")),
            (":memory:", ":memory:@localhost", Some("sqlite://localhost/:memory:")),
            ("file:shop.db?mode=ro&key=planted", "shop.db@localhost", Some("sqlite://localhost/shop.db")),
            ("sqlite://shop.db", "shop.db@localhost", Some("sqlite://localhost/shop.db")),
            ("", "unknown", None),
            ("app:planted@db/shop", "unknown", None),
            ("host db password planted=", "unknown", None),
        ] {
            let sql = of(url);
            assert_eq!((sql.name(), sql.url()), (name, recorded), "{url}");
            assert!(!format!("{sql:?}").contains("planted"), "{url}");
        }
    }
}
