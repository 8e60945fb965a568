//! The `sql` block of a subsegment: which database was asked, and what.

use std::borrow::Cow;

use crate::document::json;

/// Characters of a query that are kept.
const MAX_QUERY: usize = 4096;

/// A database query, without what may be secret: no password, no values.
///
/// ```
/// use xray_core::Sql;
///
/// let sql = Sql::from_url("postgres://app:s3cret@db.example.com:5432/shop").query("SELECT * FROM t WHERE id = $1");
/// assert_eq!(sql.name(), "shop@db.example.com");
/// assert_eq!(sql.url(), "postgresql://db.example.com:5432/shop");
/// assert_eq!(sql.user(), Some("app"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sql {
    name: String,
    url: String,
    user: Option<String>,
    database_type: Option<Cow<'static, str>>,
    database_version: Option<String>,
    driver_version: Option<String>,
    preparation: Option<&'static str>,
    query: Option<String>,
}

impl Sql {
    /// A query to the database of a connection url. Password and options of the url are dropped.
    pub fn from_url(url: &str) -> Sql {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Sql::without_host(url);
        };
        let scheme = if scheme == "postgres" { "postgresql" } else { scheme };
        if scheme == "sqlite" {
            return Sql::without_host(&format!("sqlite:{rest}"));
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        // The password may hold a slash; the host may not hold an @.
        let (credentials, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_port(authority);
        let user = credentials.and_then(|text| text.split(':').next());
        Sql::to(scheme, host, port, database, user)
    }

    /// A query to a database whose connection is known in parts. `kind` is the url's scheme: `mysql`,
    /// `postgresql`. Parts that are empty are left out.
    pub fn to(kind: &str, host: &str, port: Option<u16>, database: &str, user: Option<&str>) -> Sql {
        let kind = if kind == "postgres" { "postgresql" } else { kind };
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let bracketed = if plain.contains(':') { format!("[{plain}]") } else { plain.to_owned() };
        let mut url = format!("{kind}://{bracketed}");
        if let Some(port) = port {
            url.push_str(&format!(":{port}"));
        }
        let mut name = plain.to_owned();
        if !database.is_empty() {
            url.extend(["/", database]);
            name = format!("{database}@{plain}");
        }
        Sql {
            name,
            url,
            user: user.filter(|user| !user.is_empty()).map(str::to_owned),
            database_type: database_type(kind).map(Cow::Borrowed),
            ..Sql::default()
        }
    }

    /// SQLite, and whatever else has no host: `sqlite::memory:`, `sqlite:data/shop.db?mode=ro`.
    fn without_host(url: &str) -> Sql {
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let (kind, path) = url.split_once(':').unwrap_or(("", url));
        let database = path.rsplit('/').next().unwrap_or_default();
        Sql {
            name: if database.is_empty() { "localhost".to_owned() } else { format!("{database}@localhost") },
            url: url.to_owned(),
            database_type: database_type(kind).map(Cow::Borrowed),
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

    /// The text of the query. It is recorded only under `AWS_XRAY_COLLECT_SQL_QUERIES`, with `?` in the place
    /// of literals, up to 4 KiB.
    #[must_use]
    pub fn query(mut self, text: &str) -> Sql {
        let identifiers = self.database_type.as_deref() != Some("MySQL");
        self.query = Some(sanitise(text, identifiers));
        self
    }

    /// What the query's subsegment is called: `<database>@<host>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The url without user, password and options.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's user.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The members, each after a comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>, with_query: bool) {
        json::text_member(out, "url", json::cut(&self.url, json::SHORT));
        let user = self.user.as_deref().map(|user| json::cut(user, json::SHORT));
        for (name, text) in [
            ("user", user),
            ("database_type", self.database_type.as_deref()),
            ("database_version", self.database_version.as_deref()),
            ("driver_version", self.driver_version.as_deref()),
            ("preparation", self.preparation),
            ("sanitized_query", self.query.as_deref().filter(|_| with_query)),
        ] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                json::text_member(out, name, text);
            }
        }
    }
}

fn database_type(scheme: &str) -> Option<&'static str> {
    match scheme {
        "mysql" | "mariadb" => Some("MySQL"),
        "postgresql" => Some("PostgreSQL"),
        "sqlite" => Some("SQLite"),
        _ => None,
    }
}

/// A bracketed IPv6 address keeps its brackets.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

/// The query with `?` in the place of each literal: strings in single quotes (also PostgreSQL's dollar quotes)
/// and numbers that stand alone. Double quotes hold an identifier in standard SQL, and a string in MySQL.
fn sanitise(query: &str, double_quotes_identify: bool) -> String {
    let mut clean = String::with_capacity(query.len().min(MAX_QUERY));
    let mut rest = query;
    let mut in_word = false;
    while let Some(first) = rest.chars().next().filter(|_| clean.len() < MAX_QUERY) {
        let literal = match first {
            '\'' => Some(quoted(rest, first)),
            '"' if !double_quotes_identify => Some(quoted(rest, first)),
            '$' if !in_word => dollar_quoted(rest),
            '0'..='9' if !in_word => number(rest),
            _ => None,
        };
        let identifier = if first == '"' { quoted(rest, first) } else { first.len_utf8() };
        match literal {
            Some(len) => {
                clean.push('?');
                rest = &rest[len..];
                in_word = false;
            }
            None => {
                clean.push_str(&rest[..identifier]);
                rest = &rest[identifier..];
                in_word = first.is_alphanumeric() || first == '_' || first == '$';
            }
        }
    }
    clean.truncate(json::cut(&clean, MAX_QUERY).len());
    clean
}

/// The length of a text in quotes, where a doubled quote stands for one.
fn quoted(text: &str, mark: char) -> usize {
    let mut at = 1;
    while let Some(quote) = text[at..].find(mark) {
        at += quote + 1;
        if !text[at..].starts_with(mark) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The length of a string between two equal tags `$tag$`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[..end];
    let is_tag = tag[1..end - 1].chars().all(|c| c == '_' || c.is_alphabetic());
    is_tag.then(|| text[end..].find(tag).map_or(text.len(), |at| end + at + tag.len()))
}

/// The length of a number, unless it begins a word.
fn number(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let follows = text[end..].chars().next();
    follows.is_none_or(|c| !c.is_alphanumeric() && c != '_').then_some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_become_question_marks() {
        for (query, want) in [
            ("test 'zz''''zz' ooo'aaa''aa'", "test ? ooo?"),
            ("test 544 3456 43 '43' 345f", "test ? ? ? ? 345f"),
            ("SELECT $1, t1.c2 FROM t1 WHERE x=1.5", "SELECT $1, t1.c2 FROM t1 WHERE x=?"),
            ("SELECT $$a'b$$, $t$x$$y$t$", "SELECT ?, ?"),
            ("SELECT 'unfinished", "SELECT ?"),
            ("INSERT INTO \"T 1\" VALUES (-7)", "INSERT INTO \"T 1\" VALUES (-?)"),
        ] {
            assert_eq!(sanitise(query, true), want);
        }
        assert_eq!(sanitise("SELECT \"secret\"", false), "SELECT ?");
    }

    #[test]
    fn a_query_is_recorded_only_on_request() {
        let sql = Sql::from_url("mysql://h/d").query("SELECT 1");
        for (with_query, found) in [(false, false), (true, true)] {
            let mut out = vec![];
            sql.write(&mut out, with_query);
            assert_eq!(String::from_utf8(out).unwrap().contains("sanitized_query"), found);
        }
    }

    #[test]
    fn an_empty_text_is_left_out() {
        let mut out = vec![];
        Sql::from_url("mysql://h/d").database_type("").database_version("").write(&mut out, false);
        assert_eq!(out, b",\"url\":\"mysql://h/d\"");
    }

    proptest! {
        #[test]
        fn no_password_and_no_text_makes_trouble(password in "[a-z:/?#@0-9]{8,20}", query: String) {
            let secret = format!("se{password}et");
            let sql = Sql::from_url(&format!("postgres://user:{secret}@h:1/d")).query(&query);
            let shown = format!("{sql:?}");
            prop_assert!(!shown.contains(&secret), "{}", shown);
        }
    }
}
