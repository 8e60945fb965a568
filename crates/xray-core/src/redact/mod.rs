//! Removes secrets from the texts of errors: those in URLs, in connection strings, and after names such as `password`.
//!
//! Errors of HTTP clients contain the whole URL, including presigned parameters. Errors of database drivers contain the
//! connection string. Every message of an [`Exception`](crate::Exception) is redacted here, before it is cut.
//!
//! The steps, in their order:
//!
//! 1. `pairs.rs` replaces values after secret names: `password=…`, `"token": "…"`, `Authorization: …`.
//! 2. `urls.rs` removes user info, query string and fragment from URLs, and credentials from connection strings.
//! 3. `database.rs` removes quoted values and numbers, only from errors that are marked as holding values.
//!
//! A text that needs no change is returned without a copy. If a text is ambiguous, more of it is removed: a lost word is a
//! smaller problem than a recorded secret. Each step looks ahead by a bounded distance, so the cost is linear in the length
//! of the text.

mod database;
mod pairs;
mod urls;

use std::borrow::Cow;

use pairs::without_secret_values;
use urls::without_url_secrets;

pub(crate) use database::without_values;

/// The replacement of a secret value.
const HIDDEN: &str = "***";
/// The number of bytes of a message that are read. At most 16 KiB of these are recorded.
const MAX_READ: usize = 64 * 1024;
/// The number of bytes in which the end of a URL or value that may contain blanks is searched.
const LOOKAHEAD: usize = 256;
/// Punctuation after a URL or value that belongs to the surrounding sentence.
const CLOSING: [char; 12] = [')', ']', '}', '>', '"', '\'', '`', ',', '.', ';', ':', '!'];

/// Returns a message without user info, query strings and fragments of URLs, and without the values of parameters with a
/// secret name.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    let text = readable(text);
    match without_secret_values(text) {
        Cow::Borrowed(text) => without_url_secrets(text),
        Cow::Owned(text) => Cow::Owned(without_url_secrets(&text).into_owned()),
    }
}

/// Returns a message as [`redacted`] does, but keeps this query string, that of the call's own URL.
pub(crate) fn redacted_keeping<'a>(text: &'a str, query: &str) -> Cow<'a, str> {
    let text = readable(text);
    let kept = format!("?{query}");
    let ends_there = |at: usize| {
        let after = text[at + kept.len()..].chars().next();
        after.is_none_or(|c| c.is_whitespace() || c == '#' || CLOSING.contains(&c))
    };
    let mut shown = String::new();
    let mut from = 0;
    if !query.is_empty() {
        for (at, _) in text.match_indices(&kept).filter(|(at, _)| ends_there(*at)) {
            shown.extend([&redacted(&text[from..at]), &*kept]);
            from = at + kept.len();
        }
    }
    match from {
        0 => redacted(text),
        _ => Cow::Owned(shown + &redacted(&text[from..])),
    }
}

/// Returns the part of a text that is read. If it is cut, its last word may be part of a secret and is left out.
fn readable(text: &str) -> &str {
    if text.len() <= MAX_READ {
        return text;
    }
    let beginning = within(text, MAX_READ);
    &beginning[..beginning.rfind(char::is_whitespace).unwrap_or(0)]
}

/// Returns at most this many bytes from the start of a text.
fn within(text: &str, bytes: usize) -> &str {
    &text[..(0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)]
}

/// Returns the rest of the line, within the bounded distance.
fn ahead(text: &str) -> &str {
    let near = within(text, LOOKAHEAD);
    &near[..near.find(['\r', '\n']).unwrap_or(near.len())]
}

/// Aborts the process if a document contains the word that tests use for every secret.
///
/// All documents of all tests are checked here, whatever their emitter. A panic would be treated as one of the emitter.
#[cfg(feature = "planted-secrets")]
pub(crate) fn end_on_planted_secret(json: &str) {
    use std::io::Write as _;

    const PLANTED: &str = "s3cret";
    if json.to_ascii_lowercase().contains(PLANTED) {
        // Unlike `eprintln!`, this is not captured by the test harness, which does not print output of an aborted test.
        let _ = writeln!(std::io::stderr(), "a document contains the planted secret {PLANTED:?}: {json}");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_lose_their_secrets() {
        for (text, want) in [
            ("for url (http://u:s3cret@h/p?q=s3cret)", "for url (http://h/p)"),
            ("dial app:s3cret:/x@tcp(db:3306)/shop: refused", "dial tcp(db:3306)/shop: refused"),
            ("(scott/s3cret:/x@//db:1521/orcl)", "(//db:1521/orcl)"),
            ("scott/s3cret://x@db:1521/orcl", "db:1521/orcl"),
            ("GET http://h/p?a=b HTTP/1.1; see http://h2/?token=s3cret", "GET http://h/p HTTP/1.1; see http://h2/"),
            ("http://h/p?name=John s&token=s3cret", "http://h/p s&token=***"),
            (
                "jdbc:sqlserver://db;user=app;password=s3cret;x=1 failed",
                "jdbc:sqlserver://db;user=app;password=***;x=1 failed",
            ),
            ("jdbc:postgresql://db/shop?user=app&password=s3cret", "jdbc:postgresql://db/shop"),
            ("https://h/p;jsessionid=s3cret?x=1", "https://h/p;jsessionid=***"),
            (
                "Config { url: \"http://u:s3cret@h/p\", password: Some(\"s3cret\") }",
                "Config { url: \"http://h/p\", password: Some(\"***\") }",
            ),
        ] {
            let shown = redacted(text);
            assert_eq!(shown, want, "{text}");
            assert!(!shown.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in [
            "plain words, a? b: c = d",
            "What? Really",
            "C:\\temp\\x@y.txt: access denied",
            "C:\\temp\\a?b",
            "unexpected token: \"}\"",
            "invalid token: expected identifier",
            "wrong password: access denied",
            "password authentication failed for user \"app\"",
            "missing field `password` at line 1",
            "mail to joe@example.com bounced",
            "<joe@example.com>: mailbox full",
            "mailto:joe@example.com",
            "{\"mail\":\"joe@example.com\"}",
            "git@github.com:org/repo.git failed",
            "issue #7 at 12:30",
            "@scope/package@1.2.3 is missing",
            "http://h:8080/p failed",
            "is it a?b:c",
            "key = value, name: x",
        ] {
            assert!(
                matches!(redacted(text), Cow::Borrowed(same) if same == text),
                "{text:?} became {:?}",
                redacted(text)
            );
        }
    }

    #[test]
    fn on_request_only_the_query_of_the_calls_own_url_is_kept() {
        for (text, want) in [
            ("for (http://u:s3cret@h/p?token=own)", "for (http://h/p?token=own)"),
            ("http://h/p?token=own: password=s3cret", "http://h/p?token=own: password=***"),
            ("http://h/p?token=own&more=s3cret", "http://h/p"),
            ("http://h/p?token=own to http://h/?x=s3cret", "http://h/p?token=own to http://h/"),
        ] {
            assert_eq!(redacted_keeping(text, "token=own"), want, "{text}");
        }
        assert_eq!(redacted_keeping("http://h/?x=s3cret", ""), "http://h/");
    }

    #[test]
    fn the_cost_is_linear_in_the_length_of_the_text() {
        for unit in [
            "password=a ",
            "password=a;b ",
            "password=;;;",
            "password=&a&a&a",
            "password= ",
            "pwd={",
            "token=\"",
            "http://a:b?",
            "a://b:c@d,",
            "a://b:1/",
            "\"http://h/ ",
            "http://u:p ",
            "x:y@z",
            "? ",
            "@",
            ":",
            "=",
            "'",
        ] {
            let text = unit.repeat(4_000_000 / unit.len());
            let start = Instant::now();
            let _ = (redacted(&text), redacted_keeping(&text, "a=b"));
            assert!(start.elapsed() < Duration::from_secs(5), "{unit:?} took {:?}", start.elapsed());
        }
    }

    #[test]
    fn a_long_text_is_not_cut_within_a_secret() {
        let text = format!("refused: http://app:{}@h/p", "s3cret".repeat(MAX_READ));
        assert_eq!(redacted(&text), "refused:");
    }

    proptest! {
        #[test]
        fn any_text_is_handled_without_a_panic(text: String, query: String) {
            let _ = (redacted(&text), redacted_keeping(&text, &query));
        }

        #[test]
        fn text_of_urls_and_pairs_is_handled_without_a_panic(text in "[a-c:/?#@=&;'\"{} \\\\.<>]{0,40}|(password|token|http|://|=|@|;|'|é| |Some\\(|\"|<)*") {
            let once = redacted(&text).into_owned();
            prop_assert!(once.len() <= text.len() + 3 * text.matches(['=', ':']).count());
        }

        #[test]
        fn a_password_in_a_url_is_never_recorded(
            password in "[a-z0-9:/?#@!$&'()*+,;=.~_-]{0,12}",
            path in "(/[A-Z]{0,5}){0,2}",
            quote in "[\"<(']?",
        ) {
            let secret = format!("qz{password}zq");
            let text = format!("cannot connect to {quote}postgres://app:{secret}@db.internal{path} now");
            prop_assert!(!redacted(&text).contains("qz"), "{}", redacted(&text));
        }

        #[test]
        fn a_query_is_never_recorded(query in "[a-z0-9:/?#@!$&'()*+,;=.~_<>`{}|-]{0,20}", open in "[(<'`]?") {
            let text = format!("error for url {open}https://h.example.com/p?{query}qz) again");
            prop_assert!(!redacted(&text).contains("qz"), "{}", redacted(&text));
        }

        #[test]
        fn a_password_in_a_connection_string_is_never_recorded(password in "[a-zA-Z0-9:/?#@!$&'()*+,=.~_-]{0,12}", form in 0..5usize) {
            let secret = format!("qz{password}zq");
            let text = match form {
                0 => format!("connect: host=db password={secret} dbname=shop"),
                1 => format!("Server=db;Database=shop;User Id=app;Password={secret}; refused"),
                2 => format!("Server=db;Pwd={{{secret}}};Uid=app"),
                3 => format!("dial app:{secret}@tcp(db:3306)/shop: refused"),
                _ => format!("scott/{secret}@//db:1521/orcl"),
            };
            let shown = redacted(&text);
            prop_assert!(!shown.contains("qz") && !shown.contains("zq"), "{} became {}", text, shown);
        }
    }
}
