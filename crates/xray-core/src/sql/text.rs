//! Texts of queries without their literals.
//!
//! What a literal is depends on the database, so its own dialect cuts the text into tokens. Of these only names,
//! keywords, operators and placeholders stay. A text that cannot be cut into tokens is dropped whole.

use sqlparser::dialect::{
    Dialect, GenericDialect, MsSqlDialect, MySqlDialect, OracleDialect, PostgreSqlDialect, SQLiteDialect,
};
use sqlparser::tokenizer::{Token, Tokenizer, Word};

use crate::document::json;

/// Characters of a sanitised text that are kept.
const MAX_TEXT: usize = 4096;
/// Bytes of a query that are read. What follows could not be shown anyhow.
const MAX_READ: usize = 4 * MAX_TEXT;

/// Returns the query with `?` for each literal, without comments, up to 4,096 characters.
pub(super) fn sanitised(query: &str, database_type: Option<&str>) -> Option<String> {
    let database = Database::of(database_type);
    // A text of an unknown database is safe only where all dialects agree on it.
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
    if database != Database::MySql && tokens.iter().any(has_doubtful_end) {
        return None;
    }
    let mut text = String::with_capacity(read.len());
    let mut position = Position::default();
    for (index, token) in tokens.iter().enumerate() {
        if text.len() >= 4 * MAX_TEXT {
            break;
        }
        let after_number = index > 0 && matches!(tokens[index - 1], Token::Number(..));
        match token {
            Token::Whitespace(_) => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
                continue;
            }
            // What is glued to a number is part of it: `12345abc`, `1_000`.
            Token::Word(_) if after_number => {}
            Token::Word(word) => match shows(word, database, &position, tokens.get(index + 1)) {
                true => text.push_str(&word.to_string()),
                false => text.push('?'),
            },
            Token::Placeholder(name) if is_placeholder(name) => text.push_str(name),
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
    fn of(database_type: Option<&str>) -> Database {
        let name = database_type.unwrap_or_default().to_ascii_lowercase();
        match () {
            () if name.contains("mysql") || name.contains("mariadb") => Database::MySql,
            () if name.contains("postgres") => Database::PostgreSql,
            () if name.contains("sqlite") => Database::Sqlite,
            () if name.contains("sql server") || name.contains("sqlserver") || name == "mssql" => Database::SqlServer,
            () if name.contains("oracle") => Database::Oracle,
            () => Database::Unknown,
        }
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

/// Whether a string has a backslash before a quote: a server that is set to read it as an escape would end the string
/// elsewhere.
fn has_doubtful_end(token: &Token) -> bool {
    matches!(token, Token::SingleQuotedString(text) if text.ends_with('\\') || text.contains("\\'"))
}

/// Whether a word is a name or keyword, rather than a literal.
fn shows(word: &Word, database: Database, position: &Position, next: Option<&Token>) -> bool {
    match (word.quote_style, database) {
        // MySQL takes `"a"` for a string, SQLite where no column has that name.
        (Some('"'), Database::Unknown) => false,
        (Some('"'), Database::Sqlite) => matches!(next, Some(Token::Period)) || position.is_for_names(),
        (Some(_), _) => true,
        (None, _) => !word.value.starts_with(|c: char| c.is_ascii_digit()),
    }
}

fn is_placeholder(name: &str) -> bool {
    let rest = &name[name.len().min(1)..];
    rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where in a statement the next token is, as far as that decides whether a quoted word of SQLite is a name.
#[derive(Default)]
struct Position {
    before: Before,
    /// In a list of values: after `VALUES`, or between the parentheses of `IN`.
    in_values: bool,
    after_in: bool,
}

#[derive(Default, PartialEq)]
enum Before {
    #[default]
    Name,
    List,
    Value,
}

impl Position {
    fn is_for_names(&self) -> bool {
        match self.before {
            Before::Name => true,
            Before::List => !self.in_values,
            Before::Value => false,
        }
    }

    fn pass(&mut self, token: &Token) {
        let mut is_in = false;
        self.before = match token {
            Token::Period => Before::Name,
            Token::LParen => {
                self.in_values |= self.after_in;
                Before::List
            }
            Token::Comma => Before::List,
            Token::RParen | Token::SemiColon => {
                // A further row of `VALUES` begins with a parenthesis after a comma: the list is still one of values.
                self.in_values &= *token == Token::RParen && !self.after_in;
                Before::Value
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let keyword = word.value.to_ascii_uppercase();
                match &*keyword {
                    "VALUES" => self.in_values = true,
                    "SELECT" | "RETURNING" | "SET" | "FROM" | "WHERE" | "ON" => self.in_values = false,
                    "IN" => is_in = true,
                    _ => {}
                }
                match &*keyword {
                    "SELECT" | "DISTINCT" | "FROM" | "JOIN" | "INTO" | "UPDATE" | "TABLE" | "BY" | "ON" | "AS"
                    | "SET" | "INDEX" | "AND" | "OR" | "WHERE" | "HAVING" | "REFERENCES" | "COLUMN" | "EXISTS"
                    | "RETURNING" | "CONSTRAINT" | "WITH" | "NOT" => Before::Name,
                    _ => Before::Value,
                }
            }
            _ => Before::Value,
        };
        self.after_in = is_in;
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
                "Microsoft SQL Server",
                "SELECT TOP 5 [a b] FROM t WHERE c = N'x' AND d = @p1",
                "SELECT TOP ? [a b] FROM t WHERE c = ? AND d = @p1",
            ),
            ("Oracle", "SELECT q'[it's]' FROM dual WHERE a = :1", "SELECT ? FROM dual WHERE a = :?"),
        ] {
            assert_eq!(sanitised(query, Some(database)).as_deref(), Some(want), "{database}: {query}");
        }
    }

    #[test]
    fn what_is_no_sql_or_doubtful_is_dropped() {
        for (database, query) in [
            (Some("PostgreSQL"), "SELECT 'unfinished"),
            (Some("PostgreSQL"), "SELECT 'a\\', b, c\\' AND d'"),
            (None, "SELECT 'a\\'"),
            (None, "SELECT 1 # it's"),
        ] {
            assert_eq!(sanitised(query, database), None, "{query}");
        }
        assert_eq!(sanitised("SELECT \"a\", 'b' FROM t", None).as_deref(), Some("SELECT ?, ? FROM t"));
    }

    #[test]
    fn a_long_query_is_cut_and_shows_no_literal() {
        let query = format!("SELECT a FROM t WHERE b IN ({})", vec!["'s3cret'"; 100_000].join(", "));
        let text = sanitised(&query, Some("PostgreSQL")).unwrap();
        assert_eq!(text.chars().count(), MAX_TEXT);
        assert!(!text.contains("s3cret"));
    }

    proptest! {
        #[test]
        fn any_text_is_taken(query: String) {
            for database in [None, Some("MySQL"), Some("PostgreSQL"), Some("SQLite"), Some("Oracle"), Some("sqlserver")] {
                let _ = sanitised(&query, database);
            }
        }

        #[test]
        fn no_string_shows(parts in prop::collection::vec("'(s3cret|''|\\\\')*'|-- it's\n|/\\* ' \\*/|SELECT|\"a\"|[=,()]| |[0-9]+|\\$q\\$s3cret\\$q\\$", 0..12)) {
            for database in ["MySQL", "PostgreSQL", "SQLite"] {
                // `$q$` is no quote outside of PostgreSQL.
                if database != "PostgreSQL" && parts.iter().any(|part| part.starts_with('$')) {
                    continue;
                }
                let text = sanitised(&parts.join(" "), Some(database)).unwrap_or_default();
                prop_assert!(!text.contains("s3cret"), "{}: {} became {}", database, parts.join(" "), text);
            }
        }
    }
}
