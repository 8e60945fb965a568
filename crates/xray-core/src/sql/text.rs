//! Texts of queries without their literals.
//!
//! The syntax of literals depends on the database, so the text is split into tokens by the database's own dialect. Only
//! names, keywords, operators and placeholders are kept. A text that cannot be tokenized is dropped.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use sqlparser::dialect::{
    Dialect, GenericDialect, MsSqlDialect, MySqlDialect, OracleDialect, PostgreSqlDialect, SQLiteDialect,
};
use sqlparser::tokenizer::{Token, Tokenizer, Word};

use crate::document::json;

/// The largest length of a sanitised text, in characters.
const MAX_TEXT: usize = 4096;
/// The number of bytes of a query that are read. The rest would exceed the length of the sanitised text.
const MAX_READ: usize = 4 * MAX_TEXT;

/// The number of texts that are kept, and the largest length of one in bytes.
const MAX_KEPT: usize = 256;
const MAX_KEPT_LENGTH: usize = 4096;

/// The sanitised forms of texts that were recorded before: most programs repeat a few statements.
#[derive(Default)]
pub(super) struct Texts(Mutex<HashMap<Box<str>, Option<Arc<str>>>>);

impl Texts {
    /// Returns the text as [`sanitised`] does.
    pub(super) fn sanitised(&self, query: &str, product: &str) -> Option<Arc<str>> {
        if query.len() > MAX_KEPT_LENGTH {
            return sanitised(query, product).map(Arc::from);
        }
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(query) {
            return known.clone();
        }
        let text: Option<Arc<str>> = sanitised(query, product).map(Arc::from);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A program with more statements probably writes values into them, and does not repeat them.
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(query.into(), text.clone());
        text
    }
}

/// A clone is about to describe another database, and begins without texts.
impl Clone for Texts {
    fn clone(&self) -> Texts {
        Texts::default()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

/// Returns the query without comments, with `?` instead of each literal, cut to 4,096 characters.
///
/// `product` is the name of the database product, the scheme of its URL, or empty.
pub(super) fn sanitised(query: &str, product: &str) -> Option<String> {
    let database = Database::of(product)?;
    // For an unknown database, a text is safe only if all dialects agree on it.
    if database == Database::Unknown
        && (query.contains(['\\', '#', '$', '`', '[']) || query.contains("--") || query.contains("/*"))
    {
        return None;
    }
    let read = &query[..(0..=query.len().min(MAX_READ)).rev().find(|end| query.is_char_boundary(*end)).unwrap_or(0)];
    let dialect = database.dialect();
    let mut tokens = Vec::new();
    let complete = Tokenizer::new(&*dialect, read).with_unescape(false).tokenize_with_location_into_buf(&mut tokens);
    if complete.is_err() && read.len() == query.len() {
        return None;
    }
    let tokens: Vec<Token> = tokens.into_iter().map(|token| token.token).collect();
    let mut with_next = tokens.iter().enumerate().map(|(index, token)| (token, tokens.get(index + 1)));
    if with_next.any(|(token, next)| has_doubtful_end(token, next, database)) {
        return None;
    }
    let mut text = String::with_capacity(read.len());
    let mut position = Position::default();
    for (index, token) in tokens.iter().enumerate() {
        if text.len() >= 4 * MAX_TEXT {
            break;
        }
        let last = index.checked_sub(1).map(|last| &tokens[last]);
        let after_number = matches!(last, Some(Token::Number(..)));
        match token {
            Token::Whitespace(_) => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
                continue;
            }
            // A word directly after a number is part of it: `12345abc`, `1_000`.
            Token::Word(_) if after_number => {}
            Token::Word(word) => match is_name(word, database, &position, tokens.get(index + 1)) {
                true => text.push_str(&word.to_string()),
                false => text.push('?'),
            },
            Token::Placeholder(name) if is_placeholder(name) => text.push_str(name),
            // Oracle numbers its placeholders: `:1`.
            Token::Number(number, _) if database == Database::Oracle && matches!(last, Some(Token::Colon)) => {
                text.push_str(number);
            }
            // The dialect does not know this character, so the tokens around it are unreliable.
            Token::Char(_) => return None,
            Token::EOF => {}
            other => {
                let operator = other.to_string();
                let is_operator = !operator.is_empty()
                    && operator.bytes().all(|byte| byte.is_ascii_punctuation() && !b"'\"`".contains(&byte));
                text.push_str(if is_operator { &operator } else { "?" });
            }
        }
        position.pass(token);
    }
    let text = text.trim();
    Some(json::cut(text, MAX_TEXT).to_owned())
}

#[derive(Clone, Copy, PartialEq)]
enum Database {
    MySql,
    PostgreSql,
    Sqlite,
    SqlServer,
    Oracle,
    Unknown,
}

impl Database {
    /// Returns the database for a product, or `None` if it is known not to use SQL.
    fn of(product: &str) -> Option<Database> {
        let name = product.to_ascii_lowercase();
        let other = ["redis", "valkey", "memcache", "mongo", "elastic", "opensearch", "dynamo", "neo4j", "influx"];
        Some(match () {
            () if other.iter().any(|other| name.contains(other)) => return None,
            () if name.contains("mysql") || name.contains("mariadb") => Database::MySql,
            () if ["postgres", "cockroach", "redshift"].iter().any(|own| name.contains(own)) => Database::PostgreSql,
            () if name.contains("sqlite") => Database::Sqlite,
            () if name.contains("sql server") || name.contains("sqlserver") || name == "mssql" => Database::SqlServer,
            () if name.contains("oracle") => Database::Oracle,
            () => Database::Unknown,
        })
    }

    fn dialect(self) -> Box<dyn Dialect> {
        match self {
            Database::MySql => Box::new(MySqlDialect {}),
            Database::PostgreSql => Box::new(PostgreSqlDialect {}),
            Database::Sqlite => Box::new(SQLiteDialect {}),
            Database::SqlServer => Box::new(MsSqlDialect {}),
            Database::Oracle => Box::new(OracleDialect {}),
            Database::Unknown => Box::new(GenericDialect {}),
        }
    }
}

/// Whether a server may end a string elsewhere, because it is configured to treat a backslash before a quote as an escape
/// or, for MySQL, not as an escape. In the latter case a word follows the apparent end.
fn has_doubtful_end(token: &Token, next: Option<&Token>, database: Database) -> bool {
    let (Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) = token else { return false };
    let has_escape = text.ends_with('\\') || text.contains("\\'") || text.contains("\\\"");
    has_escape && (database != Database::MySql || matches!(next, Some(Token::Word(_) | Token::Number(..))))
}

/// Whether a word is a name or keyword, rather than a literal.
fn is_name(word: &Word, database: Database, position: &Position, next: Option<&Token>) -> bool {
    match (word.quote_style, database) {
        // `"a"` is a string in MySQL, and in SQLite if no column has this name.
        (Some('"'), Database::Unknown) => false,
        (Some('"'), Database::Sqlite) => matches!(next, Some(Token::Period)) || position.is_for_names(),
        (Some(_), _) => true,
        (None, _) => !word.value.starts_with(|c: char| c.is_ascii_digit()),
    }
}

/// Whether the name of a placeholder contains nothing else, such as part of a literal.
fn is_placeholder(name: &str) -> bool {
    let rest = &name[name.len().min(1)..];
    rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The position of the next token in a statement, to decide whether a quoted word in SQLite is a name.
#[derive(Default)]
struct Position {
    before: Before,
    /// For each open parenthesis, whether it contains values: those of `IN`, of `VALUES`, or of a function.
    parentheses: Vec<bool>,
    opens: Opens,
    after_values: bool,
    after_between: bool,
}

/// What the token before allows next.
#[derive(Clone, Copy, Default, PartialEq)]
enum Before {
    #[default]
    Name,
    List,
    Value,
}

/// What the next parenthesis contains.
#[derive(Clone, Copy, Default, PartialEq)]
enum Opens {
    #[default]
    Same,
    Names,
    Values,
}

impl Position {
    /// Whether the next quoted word is a name.
    fn is_for_names(&self) -> bool {
        match self.before {
            Before::Name => true,
            Before::List => !self.parentheses.last().copied().unwrap_or(self.after_values),
            Before::Value => false,
        }
    }

    /// Moves past a token.
    fn pass(&mut self, token: &Token) {
        let opens = std::mem::take(&mut self.opens);
        self.before = match token {
            Token::Period => Before::Name,
            Token::Comma => Before::List,
            Token::LParen => {
                let is_inside_values = self.parentheses.last().copied().unwrap_or_default();
                let holds_values = match opens {
                    Opens::Same => is_inside_values || self.after_values,
                    Opens::Names => false,
                    Opens::Values => true,
                };
                self.parentheses.push(holds_values);
                Before::List
            }
            Token::RParen => {
                self.parentheses.pop();
                Before::Value
            }
            Token::SemiColon => {
                *self = Position::default();
                return;
            }
            Token::Word(word) if word.quote_style.is_none() => self.pass_word(&word.value.to_ascii_uppercase(), opens),
            _ => Before::Value,
        };
    }

    /// Moves past a keyword or name, and returns what it allows next.
    fn pass_word(&mut self, word: &str, opens: Opens) -> Before {
        match word {
            "SELECT" => {
                self.after_values = false;
                self.parentheses.last_mut().into_iter().for_each(|holds_values| *holds_values = false);
            }
            "VALUES" => self.after_values = true,
            "RETURNING" | "SET" | "FROM" | "WHERE" | "ON" => self.after_values = false,
            "BETWEEN" => self.after_between = true,
            _ => {}
        }
        // The second value of `BETWEEN`.
        if word == "AND" && std::mem::take(&mut self.after_between) {
            return Before::Value;
        }
        match word {
            "SELECT" | "DISTINCT" | "FROM" | "JOIN" | "UPDATE" | "BY" | "ON" | "AS" | "SET" | "INDEX" | "AND"
            | "OR" | "WHERE" | "HAVING" | "COLUMN" | "EXISTS" | "RETURNING" | "CONSTRAINT" | "WITH" | "NOT" => {
                Before::Name
            }
            "INTO" | "TABLE" | "REFERENCES" => {
                self.opens = Opens::Names;
                Before::Name
            }
            "VALUES" | "UNIQUE" | "USING" | "CONFLICT" => Before::Value,
            // The table in `INTO t (…)`, a function, or `IN`.
            _ => {
                self.opens = if opens == Opens::Names { Opens::Names } else { Opens::Values };
                Before::Value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_become_question_marks() {
        for (database, query, want) in [
            ("PostgreSQL", "SELECT * FROM t WHERE a = 'x' AND b = 12345", "SELECT * FROM t WHERE a = ? AND b = ?"),
            ("PostgreSQL", "SELECT $1, t1.c2 FROM t1 WHERE x=1.5", "SELECT $1, t1.c2 FROM t1 WHERE x=?"),
            ("PostgreSQL", "SELECT $$a'b$$, $t1$x$$y$t1$", "SELECT ?, ?"),
            ("PostgreSQL", "SELECT E'it\\'s', N'x', B'01', U&'x', X'0f'", "SELECT ?, ?, ?, ?, ?"),
            ("PostgreSQL", "INSERT INTO \"T 1\" VALUES (-7, 1_000, 0xFF)", "INSERT INTO \"T 1\" VALUES (-?, ?, ?)"),
            ("PostgreSQL", "SELECT 1 -- don't\n, 'x' /* it's */ FROM t", "SELECT ? , ? FROM t"),
            ("PostgreSQL", "SELECT a::int, b->>'k', c @> '{1}' FROM t", "SELECT a::int, b->>?, c @> ? FROM t"),
            ("MySQL", "SELECT 'it\\'s', \"s\", `na'me`, 12345abc, 1.5e9", "SELECT ?, ?, `na'me`, ?, ?"),
            ("MySQL", "SELECT 1 # don't\n, x'CAFE', 0xDEADBEEF", "SELECT ? , ?, ?"),
            (
                "SQLite",
                "SELECT a FROM t WHERE b = ?1 AND c = :name AND d = 'x'",
                "SELECT a FROM t WHERE b = ?1 AND c = :name AND d = ?",
            ),
            (
                "SQLite",
                "SELECT \"t\".\"a\", \"b\" FROM \"t\" WHERE \"a\" = \"x\"",
                "SELECT \"t\".\"a\", \"b\" FROM \"t\" WHERE \"a\" = ?",
            ),
            (
                "SQLite",
                "INSERT INTO \"t\" (\"a\", \"b\") VALUES (\"x\", \"y\"), (\"z\", 1)",
                "INSERT INTO \"t\" (\"a\", \"b\") VALUES (?, ?), (?, ?)",
            ),
            ("SQLite", "SELECT a FROM t WHERE b IN (\"x\", \"y\")", "SELECT a FROM t WHERE b IN (?, ?)"),
            (
                "SQLite",
                "SELECT f(\"x\", \"y\"), \"a\" FROM t WHERE b BETWEEN \"x\" AND \"y\" AND \"c\" = 1",
                "SELECT f(?, ?), \"a\" FROM t WHERE b BETWEEN ? AND ? AND \"c\" = ?",
            ),
            (
                "SQLite",
                "INSERT INTO t (\"a\", \"b\") VALUES (lower(\"x\"), 1); PRAGMA key(\"x\")",
                "INSERT INTO t (\"a\", \"b\") VALUES (lower(?), ?); PRAGMA key(?)",
            ),
            (
                "SQLite",
                "SELECT \"a\" FROM \"t\" WHERE \"b\" IN (SELECT \"c\" FROM \"u\") AND (\"d\" = \"x\" OR \"e\" = 1)",
                "SELECT \"a\" FROM \"t\" WHERE \"b\" IN (SELECT \"c\" FROM \"u\") AND (\"d\" = ? OR \"e\" = ?)",
            ),
            (
                "SQLite",
                "CREATE TABLE \"t\" (\"a\" INTEGER PRIMARY KEY, \"b\" TEXT DEFAULT \"x\")",
                "CREATE TABLE \"t\" (\"a\" INTEGER PRIMARY KEY, \"b\" TEXT DEFAULT ?)",
            ),
            (
                "Microsoft SQL Server",
                "SELECT TOP 5 [a b] FROM t WHERE c = N'x' AND d = @p1",
                "SELECT TOP ? [a b] FROM t WHERE c = ? AND d = @p1",
            ),
            ("Oracle", "SELECT q'[it's]', 1 FROM dual WHERE a = :1", "SELECT ?, ? FROM dual WHERE a = :1"),
        ] {
            assert_eq!(sanitised(query, database).as_deref(), Some(want), "{database}: {query}");
        }
    }

    #[test]
    fn texts_that_are_not_sql_or_ambiguous_are_dropped() {
        for (database, query) in [
            ("PostgreSQL", "SELECT 'unfinished"),
            ("PostgreSQL", "SELECT 'a\\', b, c\\' AND d'"),
            ("PostgreSQL", "SELECT 'a\\'"),
            ("", "SELECT 'a\\'"),
            ("MySQL", "SELECT 'a\\', 'b', 'c', 'd\\', 'e'"),
            ("PostgreSQL", "SELECT `a`"),
            ("redis", "SET session abc"),
            ("MongoDB", "db.users.find({a: b})"),
            ("", "SELECT 1 # it's"),
        ] {
            assert_eq!(sanitised(query, database), None, "{query}");
        }
        assert_eq!(sanitised("SELECT \"a\", 'b' FROM t", "").as_deref(), Some("SELECT ?, ? FROM t"));
    }

    #[test]
    fn a_long_query_is_cut_and_contains_no_literal() {
        let query = format!("SELECT a FROM t WHERE b IN ({})", vec!["'s3cret'"; 100_000].join(", "));
        let text = sanitised(&query, "PostgreSQL").unwrap();
        assert_eq!(text.chars().count(), MAX_TEXT);
        assert!(!text.contains("s3cret"));
    }

    proptest! {
        #[test]
        fn any_text_is_handled_without_a_panic(query: String) {
            for database in ["", "MySQL", "PostgreSQL", "SQLite", "Oracle", "sqlserver"] {
                let _ = sanitised(&query, database);
            }
        }

        #[test]
        fn no_string_is_recorded(parts in prop::collection::vec("'(s3cret|''|\\\\')*'|-- it's\n|/\\* ' \\*/|SELECT|\"a\"|[=,()]| |[0-9]+|\\$q\\$s3cret\\$q\\$", 0..12)) {
            for database in ["MySQL", "PostgreSQL", "SQLite"] {
                // `$q$` quotes only in PostgreSQL.
                if database != "PostgreSQL" && parts.iter().any(|part| part.starts_with('$')) {
                    continue;
                }
                let text = sanitised(&parts.join(" "), database).unwrap_or_default();
                prop_assert!(!text.contains("s3cret"), "{}: {} became {}", database, parts.join(" "), text);
            }
        }
    }
}
