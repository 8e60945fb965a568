//! Texts of errors, without the secrets that people find in them: URLs and connection strings.
//!
//! HTTP clients name the whole URL in their errors, presigned parameters included; database drivers name the connection
//! string. Every message passes here when it enters an [`Exception`](crate::Exception), before it is cut.

use std::borrow::Cow;
use std::ops::Range;

use crate::url::split_user;

/// What a message shows instead of a secret value.
const HIDDEN: &str = "***";

/// The endings of names whose values are secret, in lower case and without `-`, `_` and `.`.
const SECRET: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signature",
    "credential",
    "credentials",
];

/// Names of headers whose value is secret up to the end of the line.
const SECRET_HEADERS: [&str; 4] = ["authorization", "proxyauthorization", "cookie", "setcookie"];

/// Returns a message without user info, query strings and fragments of URLs, and without the values of parameters whose
/// name says that they are secret.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    match without_secret_values(text) {
        Cow::Borrowed(text) => without_url_secrets(text, false),
        Cow::Owned(text) => Cow::Owned(without_url_secrets(&text, false).into_owned()),
    }
}

/// Returns a message without user info of URLs. Query strings stay, as the application asked.
pub(crate) fn redacted_except_queries(text: &str) -> Cow<'_, str> {
    without_url_secrets(text, true)
}

/// Returns the text of a database's error without values: what is quoted or in parentheses, and numbers.
pub(crate) fn without_values(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '\'' | '"' | '`' => Some(first),
            '(' => Some(')'),
            '\u{201c}' => Some('\u{201d}'),
            '\u{ab}' => Some('\u{bb}'),
            _ => None,
        };
        let len = first.len_utf8();
        if let Some(close) = close {
            // To the last one of the line: a value may hold any of them.
            let line = rest.find('\n').unwrap_or(rest.len());
            let is_apostrophe = first == '\'' && shown.ends_with(char::is_alphanumeric);
            if is_apostrophe {
                shown.push(first);
                rest = &rest[len..];
                continue;
            }
            let end = match close {
                ')' => rest[len..line].rfind(close),
                _ => rest[len..line].find(close),
            };
            shown.push(first);
            shown.push('?');
            shown.push(close);
            rest = end.map_or(&rest[line..], |end| &rest[len + end + close.len_utf8()..]);
        } else if first.is_ascii_digit() && !shown.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            let end =
                rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | ':' | '_')).unwrap_or(rest.len());
            shown.push('?');
            rest = &rest[end..];
        } else {
            shown.push(first);
            rest = &rest[len..];
        }
    }
    shown
}

/// Ends the process when a document holds the word that tests plant wherever something secret is.
///
/// All documents of all tests pass here, whatever receives them. A panic would be taken for the emitter's.
#[cfg(feature = "planted-secrets")]
pub(crate) fn end_on_planted_secret(json: &str) {
    use std::io::Write as _;

    const PLANTED: &str = "s3cret";
    if json.to_ascii_lowercase().contains(PLANTED) {
        // Unlike what `eprintln!` writes, this is seen although the test does not end.
        let _ = writeln!(std::io::stderr(), "a document holds the planted secret {PLANTED:?}: {json}");
        std::process::abort();
    }
}

/// Hides the values in `password=…`, `"token": "…"`, `Authorization: …`.
fn without_secret_values(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = text[from..].find(['=', ':']).map(|at| from + at) {
        from = at + 1;
        if let Some(value) = secret_value(text, copied, at) {
            shown.extend([&text[copied..value.start], HIDDEN]);
            copied = value.end;
            from = value.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[copied..]);
    Cow::Owned(shown)
}

/// Returns the place of a secret value after the `=` or `:` at `at`.
fn secret_value(text: &str, copied: usize, at: usize) -> Option<Range<usize>> {
    const MAX_NAME: usize = 64;
    let before = text[copied..at].trim_end_matches([' ', '\t']);
    let is_quoted = before.ends_with(['"', '\'']);
    let before = before.trim_end_matches(['"', '\'', '\\']);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let len = before.bytes().rev().take(MAX_NAME).take_while(is_name).count();
    let name = &before[before.len() - len..];
    let plain: String = name.chars().filter(|c| !"_-.".contains(*c)).map(|c| c.to_ascii_lowercase()).collect();
    let is_assigned = text.as_bytes()[at] == b'=';
    let start = at + 1 + text[at + 1..].len() - text[at + 1..].trim_start_matches([' ', '\t', '\\']).len();
    if !is_assigned && SECRET_HEADERS.contains(&&*plain) {
        let line = text[start..].find(['\r', '\n']).unwrap_or(text.len() - start);
        return (line > 0).then_some(start..start + line);
    }
    let is_secret = SECRET.iter().any(|secret| plain.ends_with(secret)) || matches!(&*plain, "pass" | "auth" | "sig");
    if !is_secret || text[start..].starts_with(HIDDEN) {
        return None;
    }
    let value = &text[start..];
    let len = match value.chars().next()? {
        quote @ ('"' | '\'') => {
            // `unexpected token: "}"` names no secret; `"token": "…"` does.
            if !is_assigned && !is_quoted && plain == "token" {
                return None;
            }
            return Some(start + 1..start + quoted(value, quote));
        }
        // A word after a colon is prose: `wrong password: access denied`.
        _ if !is_assigned => return None,
        '{' => value.find('}').map_or(value.len(), |end| end + 1),
        _ => unquoted(value, before[..before.len() - len].trim_end().ends_with(';')),
    };
    (len > 0).then_some(start..start + len)
}

/// Returns where the text in quotes ends, before its closing quote. A quote that is doubled or escaped does not close.
fn quoted(value: &str, quote: char) -> usize {
    let mut chars = value.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => drop(chars.next()),
                _ => return at,
            }
        }
    }
    value.len()
}

/// Returns the length of a value without quotes: up to white space, or to the `;` or `&` before the next parameter. In
/// a list of parameters with semicolons a value may hold blanks.
fn unquoted(value: &str, in_list: bool) -> usize {
    let line = value.find(['\r', '\n']).unwrap_or(value.len());
    let blank = value[..line].find(char::is_whitespace).unwrap_or(line);
    let ends_at = |at: &usize| {
        let rest = value[at + 1..line].trim_start();
        let name =
            rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | ' ')).unwrap_or(rest.len());
        rest.is_empty() || rest[name..].starts_with('=') || !rest.starts_with(|c: char| c.is_alphanumeric())
    };
    let semicolon = value[..line].match_indices(';').map(|(at, _)| at).take(8).find(ends_at);
    let ampersand = value[..blank].match_indices('&').map(|(at, _)| at).take(8).find(ends_at);
    match (semicolon, ampersand) {
        (_, Some(end)) => semicolon.map_or(end, |other| end.min(other)),
        (Some(end), None) if end < blank || in_list || value[end + 1..line].contains('=') => end,
        (None, None) if in_list => line,
        _ => value[..blank].trim_end_matches(CLOSING).len().max(usize::from(blank > 0)),
    }
}

/// What may follow a URL or value and belongs to the sentence.
const CLOSING: [char; 12] = [')', ']', '}', '>', '"', '\'', '`', ',', '.', ';', ':', '!'];
/// What may stand before a URL.
const OPENING: [char; 8] = ['(', '[', '{', '<', '"', '\'', '`', '='];

/// Cuts every URL of a text down to what a document may show.
fn without_url_secrets(text: &str, keep_query: bool) -> Cow<'_, str> {
    if !text.contains(['?', '@', '#']) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end_matches(char::is_whitespace);
        push_word(&mut shown, bare, keep_query);
        shown.push_str(&word[bare.len()..]);
    }
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

/// Appends a text without white space.
fn push_word(shown: &mut String, word: &str, keep_query: bool) {
    if !word.contains(['?', '@', '#']) {
        return shown.push_str(word);
    }
    let (start, rest, is_url) = match authority(word) {
        Some(at) => (at, &word[at..], true),
        None => {
            let rest = word.trim_start_matches(OPENING);
            (word.len() - rest.len(), rest, false)
        }
    };
    shown.push_str(&word[..start]);
    let rest = if is_url { split_user(rest).1 } else { without_credentials(rest) };
    let end = match rest.find(['?', '#']) {
        _ if keep_query => rest.len(),
        Some(at) if is_url || is_parameters(rest, at) => at,
        _ => rest.len(),
    };
    shown.push_str(&rest[..end]);
    if end < rest.len() {
        shown.push_str(&rest[rest.trim_end_matches(CLOSING).len().max(end)..]);
    }
}

/// Returns where the authority of a URL in a word begins: after `scheme://`, also with one slash or backslashes, or
/// after the `//` that the word begins with.
fn authority(word: &str) -> Option<usize> {
    let is_slash = |c: char| matches!(c, '/' | '\\');
    let begins = |rest: &str| rest.len() - rest.trim_start_matches(is_slash).len();
    for (colon, _) in word.match_indices(':') {
        let slashes = begins(&word[colon + 1..]);
        let scheme =
            word[..colon].bytes().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
        // One letter is a drive of Windows.
        if slashes > 0 && scheme.take(2).count() == 2 {
            return Some(colon + 1 + slashes);
        }
    }
    let rest = word.trim_start_matches(OPENING);
    (begins(rest) >= 2).then(|| word.len() - rest.len() + begins(rest))
}

/// Returns a word without the credentials of connection strings that are no URLs: `user:password@tcp(host)/db`,
/// `user/password@//host`.
fn without_credentials(word: &str) -> &str {
    let Some(at) = word.rfind('@') else { return word };
    let (user, host) = (&word[..at], &word[at + 1..]);
    let is_oracle = || {
        let address = host.trim_start_matches('/');
        let port = address.split_once(':').map(|(_, rest)| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        host.starts_with("//") || port.is_some_and(|rest| rest.starts_with(['/', ':']))
    };
    match user.split_once([':', '/']) {
        // A drive of Windows is no user.
        Some((name, secret)) if name.len() == 1 && secret.starts_with('\\') => word,
        Some((name, secret)) if !name.is_empty() && !secret.is_empty() => {
            if user[name.len()..].starts_with(':') || is_oracle() { host } else { word }
        }
        _ => word,
    }
}

/// Whether the `?` at `at` begins the parameters of a URL without a scheme: `/p?a`, `h/p?a=b`.
fn is_parameters(word: &str, at: usize) -> bool {
    let (path, query) = (&word[..at], &word[at + 1..]);
    word[at..].starts_with('?') && !query.is_empty() && (path.contains('/') || query.contains('='))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_lose_what_may_be_secret() {
        for (text, want) in [
            ("for url (http://u:s3cret@h/p?q=s3cret)", "for url (http://h/p)"),
            ("for url http://h/p?name=O'Brien&token=s3cret", "for url http://h/p"),
            ("for url <http://h/p?a=<x>&token=s3cret>", "for url <http://h/p>"),
            ("for url http://user:pa/s3cret@h/p", "for url http://h/p"),
            ("for url http://user:pa?s3cret@h/p", "for url http://h/p"),
            ("for url h/p?X-Amz-Signature=s3cret", "for url h/p"),
            ("error: /p?s3cret", "error: /p"),
            ("error: http:\\\\user:s3cret@h/p", "error: http:\\\\h/p"),
            ("error: //user:s3cret@h/p", "error: //h/p"),
            ("for https:/h/p?token=s3cret", "for https:/h/p"),
            ("https://h/cb#access_token=s3cret.", "https://h/cb."),
            ("GET http://h/p?a=b HTTP/1.1; see http://h2/?token=s3cret", "GET http://h/p HTTP/1.1; see http://h2/"),
            ("http://h/a(b)?token=s3cret)", "http://h/a(b))"),
            ("postgres://app:s3cret@db:5432/shop: refused", "postgres://db:5432/shop: refused"),
            ("amqp+ssl://app:s3cret@mq down", "amqp+ssl://mq down"),
            ("dial app:s3cret@tcp(db:3306)/shop: refused", "dial tcp(db:3306)/shop: refused"),
            ("scott/s3cret@//db:1521/orcl", "//db:1521/orcl"),
            ("scott/s3cret@db:1521/orcl", "db:1521/orcl"),
            ("host=db password=s3cret user=app", "host=db password=*** user=app"),
            ("host=db password = 's3 cret' user=app", "host=db password = '***' user=app"),
            ("Server=db;Password=my s3cret;Database=d", "Server=db;Password=***;Database=d"),
            ("Pwd=s3cret;Server=db", "Pwd=***;Server=db"),
            ("Driver={x};Pwd={s3;cret};Server=db", "Driver={x};Pwd=***;Server=db"),
            ("{\"access_token\": \"s3cret\", \"a\": 1}", "{\"access_token\": \"***\", \"a\": 1}"),
            ("Config { password: \"s3cret\", port: 1 }", "Config { password: \"***\", port: 1 }"),
            ("Authorization: Bearer s3cret\nHost: h", "Authorization: ***\nHost: h"),
            ("http://h/p?name=John s&token=s3cret", "http://h/p s&token=***"),
        ] {
            let shown = redacted(text);
            assert_eq!(shown, want, "{text}");
            assert!(!shown.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "plain words, a? b: c = d",
            "What? Really",
            "C:\\temp\\x@y.txt: access denied",
            "unexpected token: \"}\"",
            "invalid token: expected identifier",
            "wrong password: access denied",
            "mail to joe@example.com bounced",
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
    fn queries_stay_on_request_and_passwords_do_not() {
        assert_eq!(redacted_except_queries("for (http://u:s3cret@h/p?q=1)"), "for (http://h/p?q=1)");
    }

    #[test]
    fn errors_of_databases_lose_their_values() {
        for (text, want) in [
            ("invalid input syntax for type integer: \"s3cret\"", "invalid input syntax for type integer: \"?\""),
            ("Duplicate entry 's3cret' for key 'users.email'", "Duplicate entry '?' for key '?'"),
            ("Key (email)=(s3cret (old)) already exists.", "Key (?) already exists."),
            ("value 12345678901 is out of range", "value ? is out of range"),
            ("can't connect to server at line 1", "can't connect to server at line ?"),
            ("unterminated \"s3cret", "unterminated \"?\""),
            ("UNIQUE constraint failed: users.email", "UNIQUE constraint failed: users.email"),
        ] {
            assert_eq!(without_values(text), want);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text: String) {
            let _ = (redacted(&text), redacted_except_queries(&text), without_values(&text));
        }

        #[test]
        fn text_of_urls_and_pairs_is_taken(text in "[a-c:/?#@=&;'\"{} \\\\.]{0,40}|(password|token|http|://|=|@|;|'|é| )*") {
            let once = redacted(&text).into_owned();
            let _ = without_values(&text);
            prop_assert!(once.len() <= text.len() + 3 * text.matches(['=', ':']).count());
        }

        #[test]
        fn a_password_in_a_url_never_shows(
            password in "[a-z0-9:/?#@!$&'()*+,;=.~_-]{0,12}",
            path in "(/[A-Z]{0,5}){0,2}",
        ) {
            let secret = format!("qz{password}zq");
            let text = format!("cannot connect to postgres://app:{secret}@db.internal{path} now");
            prop_assert!(!redacted(&text).contains("qz"), "{}", redacted(&text));
        }
    }
}
