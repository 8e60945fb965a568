//! Removes secret values after their names: `password=…`, `"token": "…"`, `Authorization: …`.

use std::borrow::Cow;
use std::ops::Range;

use super::{CLOSING, HIDDEN, ahead, within};

/// The number of bytes of a name that are read.
const MAX_NAME: usize = 64;

/// The ends of names whose values are secret, in lower case and without `-`, `_` and `.`.
const SECRET: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "signature",
    "credential",
    "credentials",
    "sessionid",
    "jwt",
];

/// Names of headers whose values are secret up to the end of the line.
const SECRET_HEADERS: [&str; 4] = ["authorization", "proxyauthorization", "cookie", "setcookie"];

/// Replaces the values of all secret names.
pub(super) fn without_secret_values(text: &str) -> Cow<'_, str> {
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

/// Returns the range of a secret value after the `=` or `:` at `at`.
fn secret_value(text: &str, copied: usize, at: usize) -> Option<Range<usize>> {
    let before = text[copied..at].trim_end_matches([' ', '\t']);
    let is_quoted = before.ends_with(['"', '\'']);
    let before = before.trim_end_matches(['"', '\'', '\\']);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let len = before.bytes().rev().take(MAX_NAME).take_while(is_name).count();
    let (before, name) = before.split_at(before.len() - len);
    let is_assigned = text.as_bytes()[at] == b'=';
    let start = text.len() - text[at + 1..].trim_start_matches([' ', '\t', '\\']).len();
    let plain: String = name.chars().filter(|c| !"_-.".contains(*c)).map(|c| c.to_ascii_lowercase()).collect();
    let is_header = !is_assigned && SECRET_HEADERS.contains(&&*plain);
    if !is_header && !is_secret(name, &plain) || text[start..].starts_with(HIDDEN) {
        return None;
    }
    let start = start + wrapper(&text[start..]);
    let value = &text[start..];
    let len = match value.chars().next()? {
        // `unexpected token: "}"` is not a secret; `"token": "…"` is.
        '"' | '\'' if !is_assigned && !is_quoted && plain == "token" => return None,
        quote @ ('"' | '\'') => return Some(start + 1..start + quoted(value, quote, is_assigned)),
        _ if is_header => value.find(['\r', '\n']).unwrap_or(value.len()),
        _ if !is_assigned => {
            // A word before the name indicates prose: `wrong password: denied`.
            let is_key = is_quoted || name.contains(['-', '_']) || !before.trim_end().ends_with(char::is_alphanumeric);
            if is_key && plain != "token" { single_word(value)? } else { return None }
        }
        '{' => braced(value),
        _ => unquoted(value, List::around(before)),
    };
    (len > 0).then_some(start..start + len)
}

/// Whether a name belongs to a secret. `plain` is the name in lower case, without punctuation.
fn is_secret(name: &str, plain: &str) -> bool {
    let is_pass =
        || name.len() > 5 && name[name.len() - 5..].to_ascii_lowercase().trim_matches(['_', '-', '.']) == "pass";
    SECRET.iter().any(|secret| plain.ends_with(secret)) || matches!(plain, "pass" | "auth" | "sig") || is_pass()
}

/// Returns the length of the text that `Debug` writes before a quoted value: `Some(`, `String(`.
fn wrapper(value: &str) -> usize {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let inner = within(value, MAX_NAME).trim_start_matches(is_path).strip_prefix('(');
    match inner {
        Some(inner) if inner.starts_with('"') => within(value, MAX_NAME).len() - inner.len(),
        _ => 0,
    }
}

/// Returns the end of a quoted text, before its closing quote. An escaped quote does not end it, and neither does a
/// doubled one in connection strings.
fn quoted(value: &str, quote: char, is_doubled: bool) -> usize {
    let mut chars = value.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote && !(is_doubled && chars.next_if(|(_, next)| *next == quote).is_some()) {
            return at;
        }
    }
    value.len()
}

/// Returns the length of a value in braces, in which `}}` is an escaped brace.
fn braced(value: &str) -> usize {
    let mut braces = value.match_indices('}').map(|(at, _)| at).peekable();
    while let Some(at) = braces.next() {
        if braces.next_if_eq(&(at + 1)).is_none() {
            return at + 1;
        }
    }
    value.len()
}

/// Returns the length of a value that is the only word up to the end of the line or list.
fn single_word(value: &str) -> Option<usize> {
    let word = value.find(|c: char| c.is_whitespace() || ",;)}".contains(c)).unwrap_or(value.len());
    let is_last = ahead(&value[word..]).trim_start().chars().next().is_none_or(|c| ",;)}".contains(c));
    is_last.then_some(word)
}

/// What separates the pairs of a text, as far as the text before a pair shows.
#[derive(Clone, Copy, PartialEq)]
enum List {
    /// `a=1 b=2`
    Blanks,
    /// `a=1;b=2`
    Semicolons,
    /// `a=1&b=2`, or a pair alone.
    Any,
}

impl List {
    fn around(before: &str) -> List {
        let last_word = || before.split_whitespace().next_back().unwrap_or_default();
        if before.trim_end().ends_with(';') {
            List::Semicolons
        } else if before.ends_with(char::is_whitespace) && last_word().contains('=') {
            List::Blanks
        } else {
            List::Any
        }
    }
}

/// Returns the length of a value without quotes: up to white space, or up to the `;` or `&` before the next parameter. In
/// a list with semicolons, a value may contain blanks; in lists with blanks or semicolons, it may contain `&`.
fn unquoted(value: &str, list: List) -> usize {
    let in_list = list == List::Semicolons;
    let line = ahead(value);
    let is_open = line.len() < value.len() && !value[line.len()..].starts_with(['\r', '\n']);
    let blank = line.find(char::is_whitespace).unwrap_or(line.len());
    let rest = |at: usize| within(&line[at + 1..], MAX_NAME).trim_start();
    let is_before_pair = |at: usize| {
        let after_name = rest(at).trim_start_matches(|c: char| c.is_alphanumeric() || "_-. ".contains(c));
        rest(at).is_empty() || (after_name.len() < rest(at).len() && after_name.starts_with('='))
    };
    let is_before_other = |at: usize| !rest(at).starts_with(|c: char| c.is_alphanumeric() || c == '=');
    let mut semicolons = line.match_indices(';').map(|(at, _)| at);
    let mut ampersands = line[..blank].match_indices('&').map(|(at, _)| at);
    let semicolon = semicolons.find(|at| is_before_pair(*at) || is_before_other(*at));
    let ampersand = if list == List::Any { ampersands.find(|at| is_before_pair(*at)) } else { None };
    match (semicolon, ampersand) {
        (_, Some(end)) => semicolon.map_or(end, |other| end.min(other)),
        (Some(end), None) if end < blank || in_list || line[end + 1..].contains('=') => end,
        // Nothing ends a long value within sight.
        _ if is_open && (in_list || blank == line.len()) => {
            let end = |c: char| matches!(c, '\r' | '\n') || (!in_list && c.is_whitespace());
            value.find(end).unwrap_or(value.len())
        }
        (None, None) if in_list => line.len(),
        _ => line[..blank].trim_end_matches(CLOSING).len().max(usize::from(blank > 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_secret_names_are_hidden() {
        for (text, want) in [
            ("host=db password=s3cret user=app", "host=db password=*** user=app"),
            ("host=db password = 's3 cret' user=app", "host=db password = '***' user=app"),
            ("host=db password='s3 cr\\'et' user=app", "host=db password='***' user=app"),
            ("host=db password='s3cret", "host=db password='***"),
            ("connection \"host=db password=s3cret\" failed", "connection \"host=db password=***\" failed"),
            ("Server=db;Password=my s3cret;Database=d", "Server=db;Password=***;Database=d"),
            ("Server=db;Password=s3;cret;Database=d", "Server=db;Password=***;Database=d"),
            ("Pwd=s3 cret;Server=db", "Pwd=***;Server=db"),
            ("Driver={x};Pwd={s3;cr}}et};Server=db", "Driver={x};Pwd=***;Server=db"),
            ("Pwd=\"s3;cr\"\"et\";Server=db", "Pwd=\"***\";Server=db"),
            ("AccountName=a;AccountKey=s3cret==;EndpointSuffix=x", "AccountName=a;AccountKey=***;EndpointSuffix=x"),
            ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
            ("DB_PASS=s3cret", "DB_PASS=***"),
            ("a=1&password=s3cret&b=2", "a=1&password=***&b=2"),
            ("a=1&password=s3&=cret&b=2", "a=1&password=***&b=2"),
            ("a=1&password=s3&!cret&b=2", "a=1&password=***&b=2"),
            ("host=db password=s3&=cret user=app", "host=db password=*** user=app"),
            ("host=db password=s3&a=cret user=app", "host=db password=*** user=app"),
            ("Server=db;Password=s3&a=cret;Database=d", "Server=db;Password=***;Database=d"),
            ("{\"access_token\": \"s3cret\", \"a\": 1}", "{\"access_token\": \"***\", \"a\": 1}"),
            ("{\"password\":\"\",\"token\":\"s3cret\"}", "{\"password\":\"***\",\"token\":\"***\"}"),
            ("Config { password: \"s3cret\", port: 1 }", "Config { password: \"***\", port: 1 }"),
            ("Url { password: Some(\"s3cret\"), port: None }", "Url { password: Some(\"***\"), port: None }"),
            ("Authorization: Bearer s3cret\nHost: h", "Authorization: ***\nHost: h"),
            ("{\"authorization\": \"Bearer s3cret\", \"x\": 1}", "{\"authorization\": \"***\", \"x\": 1}"),
            ("request header X-Api-Key: s3cret", "request header X-Api-Key: ***"),
            ("user: app, password: s3cret, host: db", "user: app, password: ***, host: db"),
            ("password: s3cret", "password: ***"),
        ] {
            assert_eq!(without_secret_values(text), want, "{text}");
        }
    }

    #[test]
    fn a_long_value_is_removed_completely() {
        for text in ["password=# end", "Server=db;Password=#;", "{\"token\": \"#\"}", "Pwd={#}"] {
            let secret = "s3cret".repeat(1000);
            let shown = without_secret_values(&text.replace('#', &secret)).into_owned();
            assert!(!shown.contains("s3cret"), "{text} became {shown}");
        }
    }

    #[test]
    fn names_in_prose_are_unchanged() {
        for text in
            ["wrong password: denied", "secret: two words", "password:", "token: x", "compass=north", "bypass: x"]
        {
            assert_eq!(without_secret_values(text), text);
        }
    }
}
