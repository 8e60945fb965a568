//! The `sql` block of a subsegment: the database and the query.

mod connection;
#[cfg(feature = "sql-text")]
mod text;

use std::borrow::Cow;

use crate::document::json;

use connection::{Connection, kind_of};

/// The name of a subsegment whose database is unknown.
const UNKNOWN: &str = "unknown";

/// A database query, as the `sql` block of a subsegment describes it. It contains no password and no values.
///
/// Passwords are never recorded. The text of a query is recorded only if the crate has the feature `sql-text` and
/// `AWS_XRAY_COLLECT_SQL_QUERIES` is true (default: off), and then with `?` instead of each literal.
///
/// ```
/// use xray_core::Sql;
///
/// let sql = Sql::from_url("postgres://app:s3cret@db.example.com:5432/shop").query("SELECT * FROM t WHERE id = $1");
/// assert_eq!(sql.name(), "shop@db.example.com");
/// assert_eq!(sql.url(), Some("postgresql://db.example.com:5432/shop"));
/// assert_eq!(sql.user(), Some("app"));
/// ```
///
/// Record it on a subsegment with the namespace `remote`, so that the database becomes a node of the service map:
///
/// ```
/// use xray_core::{Namespace, Recorder, Sql};
///
/// let (recorder, traces) = Recorder::in_memory();
/// let segment = recorder.begin("shop");
/// let sql = Sql::from_url("postgres://app:s3cret@db.example.com/shop").database_version("16.2").prepared();
/// let query = segment.subsegment(sql.name());
/// query.set_namespace(Namespace::Remote).set_sql(&sql);
/// // … run the query …
/// query.close();
/// segment.close();
///
/// let trace = traces.take().single();
/// let block = &trace.find("shop@db.example.com").json()["sql"];
/// assert_eq!((&block["database_type"], &block["user"]), (&"PostgreSQL".into(), &"app".into()));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sql {
    name: String,
    /// The scheme of the URL. It determines the dialect if no product is known.
    #[cfg(feature = "sql-text")]
    kind: Cow<'static, str>,
    url: Option<String>,
    user: Option<String>,
    database_type: Option<Cow<'static, str>>,
    database_version: Option<String>,
    driver_version: Option<String>,
    preparation: Option<&'static str>,
    /// The text from the application. It is sanitised only when it is recorded.
    query: Option<String>,
}

impl Sql {
    /// Describes a query to the database of a connection string: a URL, or the form of libpq, Go's MySQL driver, PDO, ADO,
    /// ODBC, JDBC or Oracle.
    ///
    /// Password and options are dropped, and the first of several hosts is used. If the text has none of these forms, only
    /// the kind of database is recorded, and the name is `unknown`.
    ///
    /// | connection string | name | URL |
    /// |---|---|---|
    /// | `postgres://app:…@db:5432/shop` | `shop@db` | `postgresql://db:5432/shop` |
    /// | `host=db user=app dbname=shop` | `shop@db` | `postgresql://db/shop` |
    /// | `app:…@tcp(db:3306)/shop` | `shop@db` | `mysql://db:3306/shop` |
    /// | `Server=db,1433;Database=shop;User Id=app;…` | `shop@db` | `sqlserver://db:1433/shop` |
    /// | `jdbc:oracle:thin:@//db:1521/orcl` | `orcl@db` | `oracle://db:1521/orcl` |
    /// | `sqlite:data/shop.db` | `shop.db@localhost` | `sqlite://localhost/data/shop.db` |
    ///
    /// ```
    /// use xray_core::Sql;
    ///
    /// let sql = Sql::from_url("host=db.internal user=app password=s3cret dbname=shop");
    /// assert_eq!((sql.name(), sql.user()), ("shop@db.internal", Some("app")));
    /// assert_eq!(Sql::from_url("sqlite:data/shop.db").url(), Some("sqlite://localhost/data/shop.db"));
    /// ```
    pub fn from_url(url: &str) -> Sql {
        Sql::of(Connection::parse(url))
    }

    /// Describes a query to a database from the parts of its connection. `kind` is the scheme of its URL, such as `mysql`
    /// or `postgresql`. Empty parts are left out.
    ///
    /// ```
    /// use xray_core::Sql;
    ///
    /// let sql = Sql::to("mysql", "db.example.com", Some(3306), "shop", Some("app"));
    /// assert_eq!(sql.url(), Some("mysql://db.example.com:3306/shop"));
    /// ```
    pub fn to(kind: &str, host: &str, port: Option<u16>, database: &str, user: Option<&str>) -> Sql {
        Sql::of(Connection {
            kind: kind_of(kind),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            database: database.to_owned(),
            user: user.map(str::to_owned),
        })
    }

    fn of(connection: Connection) -> Sql {
        let Connection { kind, host, port, database, user } = connection;
        // The name of a SQLite database is that of its file; the URL has the whole path.
        let shown = if kind == "sqlite" { database.rsplit('/').next().unwrap_or_default() } else { &*database };
        let name = match (host.is_empty(), shown.is_empty()) {
            (true, _) => UNKNOWN.to_owned(),
            (false, true) => host.clone(),
            (false, false) => format!("{shown}@{host}"),
        };
        // OpenTelemetry's receiver of X-Ray documents rejects a whole document if its URL has no database.
        let url = (!host.is_empty() && !database.is_empty() && !kind.is_empty()).then(|| {
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{kind}://{host}{port}/{database}")
        });
        Sql {
            name,
            url,
            user: user.filter(|user| !user.is_empty()),
            database_type: database_type(&kind).map(Cow::Borrowed),
            #[cfg(feature = "sql-text")]
            kind,
            ..Sql::default()
        }
    }

    /// Sets the database product (default: derived from the connection). An empty text leaves it out. Calling this again
    /// replaces the value.
    #[must_use]
    pub fn database_type(mut self, product: impl Into<String>) -> Sql {
        self.database_type = Some(Cow::Owned(product.into()));
        self
    }

    /// Sets the version of the database. An empty text leaves it out. Calling this again replaces the value.
    #[must_use]
    pub fn database_version(mut self, version: impl Into<String>) -> Sql {
        self.database_version = Some(version.into());
        self
    }

    /// Sets the version of the driver. An empty text leaves it out. Calling this again replaces the value.
    #[must_use]
    pub fn driver_version(mut self, version: impl Into<String>) -> Sql {
        self.driver_version = Some(version.into());
        self
    }

    /// Records that the statement was prepared: `preparation` is `statement`.
    #[must_use]
    pub fn prepared(mut self) -> Sql {
        self.preparation = Some("statement");
        self
    }

    /// Sets the text of the query. It is recorded without comments, with `?` instead of each literal, and cut to 4,096
    /// characters. Calling this again replaces the text.
    ///
    /// It is recorded only if the crate has the feature `sql-text` and `AWS_XRAY_COLLECT_SQL_QUERIES` is true. Otherwise
    /// the text is not processed. A text that the dialect of the database cannot tokenize is not recorded. The
    /// [`database_type`](Sql::database_type) determines the dialect.
    #[must_use]
    pub fn query(mut self, text: impl Into<String>) -> Sql {
        self.query = Some(text.into());
        self
    }

    /// Returns the name for the query's subsegment: `<database>@<host>`, or `unknown`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL without user, password and options: `scheme://host[:port]/database`. `None` if the host or the
    /// database is unknown.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Returns the user that connects to the database.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the text of the query without its literals.
    pub(crate) fn sanitised_query(&self) -> Option<String> {
        #[cfg(feature = "sql-text")]
        return text::sanitised(self.query.as_deref()?, self.database_type.as_deref().unwrap_or(&self.kind));
        #[cfg(not(feature = "sql-text"))]
        None
    }

    /// Writes the members, each with a leading comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>, sanitised_query: Option<&str>) {
        for (name, text) in [
            ("url", self.url.as_deref().map(|url| json::cut(url, json::SHORT))),
            ("user", self.user.as_deref().map(|user| json::cut(user, json::SHORT))),
            ("database_type", self.database_type.as_deref()),
            ("database_version", self.database_version.as_deref()),
            ("driver_version", self.driver_version.as_deref()),
            ("preparation", self.preparation),
            ("sanitized_query", sanitised_query),
        ] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                json::text_member(out, name, text);
            }
        }
    }
}

/// Formats everything except the text of the query, which may contain values.
impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sql")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("user", &self.user)
            .field("database_type", &self.database_type)
            .finish_non_exhaustive()
    }
}

/// Returns the product for a scheme, as X-Ray names it.
fn database_type(kind: &str) -> Option<&'static str> {
    match kind {
        "mysql" | "mariadb" => Some("MySQL"),
        "postgresql" => Some("PostgreSQL"),
        "sqlite" => Some("SQLite"),
        "sqlserver" => Some("Microsoft SQL Server"),
        "oracle" => Some("Oracle"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sql: &Sql, query: Option<&str>) -> String {
        let mut out = vec![];
        sql.write(&mut out, query);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_empty_text_is_left_out() {
        let sql = Sql::from_url("mysql://h/d").database_type("").database_version("");
        assert_eq!(written(&sql, None), ",\"url\":\"mysql://h/d\"");
    }

    #[test]
    fn an_unknown_connection_string_is_not_recorded() {
        let sql = Sql::from_url("s3cret-token-of-no-known-form").query("SELECT 's3cret'");
        assert_eq!((sql.name(), sql.url(), sql.user()), ("unknown", None, None));
        assert_eq!(written(&sql, None), "");
        assert!(!format!("{sql:?}").contains("s3cret"));
    }
}
