//! The `sql` block of a subsegment: the database and the query.

mod connection;
mod database;
mod failure;
#[cfg(feature = "sql-text")]
mod text;

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use crate::document::json;

use connection::{Connection, kind_of};
use database::{Database, UNKNOWN};
pub use failure::SqlFailure;

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
///
/// A clone shares everything except the text of the query, so a driver's wrapper keeps one value for each database. To
/// record a call from its beginning to its end, see [`capture`](Sql::capture), [`capture_async`](Sql::capture_async) and
/// [`begin`](Sql::begin).
#[derive(Clone, Default)]
pub struct Sql {
    database: Arc<Database>,
    is_prepared: bool,
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
        let user = user.filter(|user| !user.is_empty());
        Sql { database: Arc::new(Database::of(name, kind, url, user)), ..Sql::default() }
    }

    /// Sets the database product (default: derived from the connection). An empty text leaves it out. Calling this again
    /// replaces the value.
    #[must_use]
    pub fn database_type(mut self, product: impl Into<String>) -> Sql {
        self.edit(|database| database.product = Some(Cow::Owned(product.into())));
        self
    }

    /// Sets the version of the database. An empty text leaves it out. Calling this again replaces the value.
    #[must_use]
    pub fn database_version(mut self, version: impl Into<String>) -> Sql {
        self.edit(|database| database.version = Some(version.into()));
        self
    }

    /// Sets the version of the driver. An empty text leaves it out. Calling this again replaces the value.
    #[must_use]
    pub fn driver_version(mut self, version: impl Into<String>) -> Sql {
        self.edit(|database| database.driver_version = Some(version.into()));
        self
    }

    /// Records that the statement was prepared: `preparation` is `statement`.
    #[must_use]
    pub fn prepared(mut self) -> Sql {
        self.is_prepared = true;
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

    /// Sets how failed calls are recorded: `classify` returns the flag and the code of an error.
    ///
    /// [`capture`](Sql::capture), [`capture_async`](Sql::capture_async) and [`SqlCall::record`](crate::SqlCall::record) call
    /// it for an error of the type `E`, and for one with such an error in its `source()` chain. Other errors are faults.
    /// Calling this again replaces the function.
    ///
    /// ```
    /// use xray_core::{Sql, SqlFailure};
    ///
    /// # #[derive(Debug)] struct DriverError { code: Option<String> }
    /// # impl std::fmt::Display for DriverError { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { Ok(()) } }
    /// # impl std::error::Error for DriverError {}
    /// let sql = Sql::from_url("postgres://app@db.example.com/shop").on_error(|error: &DriverError| match &error.code {
    ///     Some(code) => SqlFailure::sqlstate(code),
    ///     None => SqlFailure::fault(),
    /// });
    /// ```
    #[must_use]
    pub fn on_error<E: Error + 'static>(mut self, classify: impl Fn(&E) -> SqlFailure + Send + Sync + 'static) -> Sql {
        self.edit(|database| database.on_error(classify));
        self
    }

    /// Changes what all queries have in common.
    fn edit(&mut self, change: impl FnOnce(&mut Database)) {
        let database = Arc::make_mut(&mut self.database);
        database.forget();
        change(database);
    }

    /// Returns the name for the query's subsegment: `<database>@<host>`, or `unknown`.
    pub fn name(&self) -> &str {
        &self.database.name
    }

    /// Returns the URL without user, password and options: `scheme://host[:port]/database`. `None` if the host or the
    /// database is unknown.
    pub fn url(&self) -> Option<&str> {
        self.database.url.as_deref()
    }

    /// Returns the user that connects to the database.
    pub fn user(&self) -> Option<&str> {
        self.database.user.as_deref()
    }

    /// Returns the text from the application.
    pub(crate) fn text(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Returns a text without its literals. `None` if it cannot be tokenized, or without the feature `sql-text`.
    pub(crate) fn sanitised(&self, text: &str) -> Option<Arc<str>> {
        self.database.sanitised(text)
    }

    /// Returns how to record an error, if a function knows its type.
    pub(crate) fn classify(&self, error: &(dyn Error + 'static)) -> Option<SqlFailure> {
        self.database.classify(error)
    }

    /// Writes the members, each with a leading comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>, sanitised_query: Option<&str>) {
        out.extend_from_slice(self.database.members());
        if self.is_prepared {
            json::text_member(out, "preparation", "statement");
        }
        if let Some(text) = sanitised_query.filter(|text| !text.is_empty()) {
            json::text_member(out, "sanitized_query", text);
        }
    }
}

impl PartialEq for Sql {
    /// Compares what is recorded. Functions of [`on_error`](Sql::on_error) are not compared.
    fn eq(&self, other: &Sql) -> bool {
        let same = Arc::ptr_eq(&self.database, &other.database) || self.database.is_like(&other.database);
        same && self.is_prepared == other.is_prepared && self.query == other.query
    }
}

impl Eq for Sql {}

/// Formats everything except the text of the query, which may contain values.
impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sql")
            .field("name", &self.database.name)
            .field("url", &self.database.url)
            .field("user", &self.database.user)
            .field("database_type", &self.database.product)
            .finish_non_exhaustive()
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
    fn what_is_shared_is_encoded_again_after_a_change() {
        let sql = Sql::from_url("mysql://h/d");
        assert_eq!(written(&sql, None), ",\"url\":\"mysql://h/d\",\"database_type\":\"MySQL\"");
        let (versioned, prepared) = (sql.clone().database_version("11.4"), sql.clone().prepared());
        assert!(written(&versioned, None).ends_with(",\"database_version\":\"11.4\""));
        assert!(
            written(&prepared, Some("SELECT ?")).ends_with(
                ",\"database_type\":\"MySQL\",\"preparation\":\"statement\",\"sanitized_query\":\"SELECT ?\""
            )
        );
        assert!(sql == Sql::from_url("mysql://h/d") && sql != versioned && sql != prepared);
    }

    #[test]
    fn an_unknown_connection_string_is_not_recorded() {
        let sql = Sql::from_url("s3cret-token-of-no-known-form").query("SELECT 's3cret'");
        assert_eq!((sql.name(), sql.url(), sql.user()), ("unknown", None, None));
        assert_eq!(written(&sql, None), "");
        assert!(!format!("{sql:?}").contains("s3cret"));
    }
}
