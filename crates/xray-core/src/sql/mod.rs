//! The `sql` block of a subsegment: which database was asked, and what.

mod connection;
#[cfg(feature = "sql-text")]
mod text;

use std::borrow::Cow;

use crate::document::json;

use connection::{Connection, kind_of};

/// The name of a subsegment whose database is not known.
const UNKNOWN: &str = "unknown";

/// A database query, without what may be secret: no password, no values.
///
/// ```
/// use xray_core::Sql;
///
/// let sql = Sql::from_url("postgres://app:s3cret@db.example.com:5432/shop").query("SELECT * FROM t WHERE id = $1");
/// assert_eq!(sql.name(), "shop@db.example.com");
/// assert_eq!(sql.url(), Some("postgresql://db.example.com:5432/shop"));
/// assert_eq!(sql.user(), Some("app"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sql {
    name: String,
    /// The scheme of the URL: the dialect follows from it where no product is known.
    #[cfg(feature = "sql-text")]
    kind: Cow<'static, str>,
    url: Option<String>,
    user: Option<String>,
    database_type: Option<Cow<'static, str>>,
    database_version: Option<String>,
    driver_version: Option<String>,
    preparation: Option<&'static str>,
    /// As the application gave it: it is sanitised only where it is recorded.
    query: Option<String>,
}

impl Sql {
    /// Describes a query to the database of a connection string: a URL, or the forms of libpq, of Go's MySQL driver, of
    /// ADO, ODBC, JDBC and Oracle. Password and options are dropped; of several hosts the first counts. Of a text in no
    /// known form nothing is recorded but the kind of database.
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

    /// Describes a query to a database whose connection is known in parts. `kind` is the URL's scheme: `mysql`,
    /// `postgresql`. Parts that are empty are left out.
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
        // The file is the name of a SQLite database, its whole path is in the URL.
        let shown = if kind == "sqlite" { database.rsplit('/').next().unwrap_or_default() } else { &*database };
        let name = match (host.is_empty(), shown.is_empty()) {
            (true, _) => UNKNOWN.to_owned(),
            (false, true) => host.clone(),
            (false, false) => format!("{shown}@{host}"),
        };
        // OpenTelemetry's receiver of X-Ray documents refuses the whole of one whose URL has no database.
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

    /// The product: taken from the url where it is known. An empty text leaves it out.
    #[must_use]
    pub fn database_type(mut self, product: impl Into<String>) -> Sql {
        self.database_type = Some(Cow::Owned(product.into()));
        self
    }

    /// The version of the database.
    #[must_use]
    pub fn database_version(mut self, version: impl Into<String>) -> Sql {
        self.database_version = Some(version.into());
        self
    }

    /// The version of the driver.
    #[must_use]
    pub fn driver_version(mut self, version: impl Into<String>) -> Sql {
        self.driver_version = Some(version.into());
        self
    }

    /// Says that the statement was prepared.
    #[must_use]
    pub fn prepared(mut self) -> Sql {
        self.preparation = Some("statement");
        self
    }

    /// The text of the query, of which at most 4,096 characters are recorded, with `?` for each literal and without
    /// comments.
    ///
    /// It is recorded only where the crate has the feature `sql-text` and `AWS_XRAY_COLLECT_SQL_QUERIES` is true;
    /// otherwise no work is done on it. A text that the dialect of the database cannot read is not recorded; the dialect
    /// follows from the [`database_type`](Sql::database_type).
    #[must_use]
    pub fn query(mut self, text: impl Into<String>) -> Sql {
        self.query = Some(text.into());
        self
    }

    /// What the query's subsegment is called: `<database>@<host>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL without user, password and options: `scheme://host[:port]/database`. `None` where the database is not
    /// known.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The database's user.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The text as it may be recorded.
    pub(crate) fn sanitised_query(&self) -> Option<String> {
        #[cfg(feature = "sql-text")]
        return text::sanitised(self.query.as_deref()?, self.database_type.as_deref().unwrap_or(&self.kind));
        #[cfg(not(feature = "sql-text"))]
        None
    }

    /// The members, each after a comma.
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

/// The text of the query may hold values: it is not shown.
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
    fn what_is_not_known_is_not_recorded() {
        let sql = Sql::from_url("s3cret-token-of-no-known-form").query("SELECT 's3cret'");
        assert_eq!((sql.name(), sql.url(), sql.user()), ("unknown", None, None));
        assert_eq!(written(&sql, None), "");
        assert!(!format!("{sql:?}").contains("s3cret"));
    }
}
