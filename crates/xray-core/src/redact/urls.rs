//! Removes secrets from URLs and connection strings in a text.

use std::borrow::Cow;

use super::{CLOSING, ahead};
use crate::url::{is_number, split_user};

/// The largest number of URLs in one word, as in a list with commas. The text after them is left out.
const MAX_URLS: usize = 16;
/// Punctuation before a URL.
const OPENING: [char; 8] = ['(', '[', '{', '<', '"', '\'', '`', '='];
/// Words before the colon of a mail address, after which no user with a password follows.
const MAIL: [&str; 9] = ["mailto", "mail", "email", "to", "from", "cc", "bcc", "sip", "acct"];

/// Removes user info, query string and fragment of every URL, and the credentials of connection strings.
pub(super) fn without_url_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains(['?', '@', '#']) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.trim_start();
        shown.push_str(&rest[..rest.len() - word.len()]);
        let (word, after) = word.split_at(word_end(word));
        push_word(&mut shown, word);
        rest = after;
    }
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

/// The position of a URL in a word.
struct Found {
    scheme: usize,
    authority: usize,
}

/// Finds a URL: a `scheme://`, also with one slash or backslashes, or a `//` at the start of the word.
fn find_url(word: &str) -> Option<Found> {
    let slashes = |text: &str| text.len() - text.trim_start_matches(['/', '\\']).len();
    for (colon, _) in word.match_indices(':') {
        let count = slashes(&word[colon + 1..]);
        if count == 0 {
            continue;
        }
        let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let len = word[..colon].bytes().rev().take(32).take_while(is_scheme).count();
        // A single letter is a drive on Windows.
        if len > 1 {
            return Some(Found { scheme: colon - len, authority: colon + 1 + count });
        }
    }
    let rest = word.trim_start_matches(OPENING);
    let scheme = word.len() - rest.len();
    let count = slashes(rest);
    (count >= 2).then_some(Found { scheme, authority: scheme + count })
}

/// Returns the end of the first word. A quoted URL, and a password in a URL, may contain blanks.
fn word_end(text: &str) -> usize {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let word = &text[..end];
    let Some(found) = find_url(word) else { return end };
    let url = &word[found.authority..];
    let line = ahead(&text[end..]);
    let close = closing_quote(&word[..found.scheme]).or(word[..found.scheme].ends_with('<').then_some('>'));
    if let Some(close) = close
        && !url.contains(close)
        && let Some(at) = line.find(close)
    {
        return end + at;
    }
    let is_cut = !url.starts_with('[')
        && !url.contains(['/', '\\', '?', '#', '@'])
        && url.split_once(':').is_some_and(|(_, port)| !port.trim_end_matches(CLOSING).is_empty() && !is_number(port));
    match line.find('@') {
        Some(at) if is_cut && !line[..at].contains("://") => {
            let host = &text[end + at..];
            end + at + host.find(char::is_whitespace).unwrap_or(host.len())
        }
        _ => end,
    }
}

/// Returns the quote that ends a URL, if one starts it. URLs may contain apostrophes, but not `"`.
fn closing_quote(before: &str) -> Option<char> {
    before.ends_with('"').then_some('"')
}

/// Appends one word without its secrets.
fn push_word(shown: &mut String, word: &str) {
    if !word.contains(['?', '@', '#']) {
        return shown.push_str(word);
    }
    if is_connection_string(word.trim_start_matches(OPENING)) {
        return push_bare(shown, word);
    }
    let mut from = 0;
    for _ in 0..MAX_URLS {
        let Some(found) = find_url(&word[from..]) else {
            return push_bare(shown, &word[from..]);
        };
        let authority = from + found.authority;
        shown.push_str(&word[from..authority]);
        let limit = match closing_quote(&word[..from + found.scheme]) {
            Some(quote) => quoted_end(&word[authority..], quote).map_or(word.len(), |len| authority + len),
            None => word.len(),
        };
        let (_, url) = split_user(&word[authority..limit]);
        let start = limit - url.len();
        let path = &url[..url.find(['?', '#']).unwrap_or(url.len())];
        match find_url(path) {
            Some(next) if next.scheme > 0 => {
                shown.push_str(&path[..next.scheme]);
                from = start + next.scheme;
                continue;
            }
            _ => shown.push_str(path),
        }
        if limit == word.len() {
            if path.len() < url.len() {
                shown.push_str(&url[url.trim_end_matches(CLOSING).len().max(path.len())..]);
            }
            return;
        }
        from = limit;
    }
}

/// Returns the end of a quoted URL: a quote that is followed by more of a list or sentence.
fn quoted_end(url: &str, quote: char) -> Option<usize> {
    let ends = |at: usize| url[at + 1..].chars().next().is_none_or(|c| CLOSING.contains(&c) && c != quote);
    url.match_indices(quote).map(|(at, _)| at).find(|at| ends(*at))
}

/// Appends a word, or the rest of one, without a URL that has a scheme.
fn push_bare(shown: &mut String, word: &str) {
    let rest = word.trim_start_matches(OPENING);
    shown.push_str(&word[..word.len() - rest.len()]);
    let rest = without_credentials(rest);
    match rest.find(['?', '#']) {
        Some(at) if is_parameters(rest, at) => {
            shown.push_str(&rest[..at]);
            shown.push_str(&rest[rest.trim_end_matches(CLOSING).len().max(at)..]);
        }
        _ => shown.push_str(rest),
    }
}

/// Whether a word is `user:password@tcp(host)/db` or `user/password@host`. Its password may look like the beginning of a
/// URL.
fn is_connection_string(word: &str) -> bool {
    let Some(at) = word.rfind('@') else { return false };
    let (user, host) = (&word[..at], &word[at + 1..]);
    match user.find([':', '/']) {
        None | Some(0) => false,
        Some(end) if user[end..].starts_with('/') => is_oracle(host),
        Some(end) => {
            let protocol = host.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(host.len());
            protocol > 0 && host[protocol..].starts_with('(') && !user[end + 1..].starts_with(['/', '\\'])
        }
    }
}

/// Whether a host is written as in Oracle's connection strings: `//host`, `(DESCRIPTION=…)`, `host:1521/service`.
fn is_oracle(host: &str) -> bool {
    let address = host.trim_start_matches('/');
    let port = address.split_once(':').map(|(_, rest)| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    host.starts_with("//") || host.starts_with('(') || port.is_some_and(|rest| rest.starts_with(['/', ':']))
}

/// Returns a word without the credentials of connection strings that are not URLs: `user:password@tcp(host)/db`,
/// `user/password@//host`.
fn without_credentials(word: &str) -> &str {
    let Some(at) = word.rfind('@') else { return word };
    let (user, host) = (&word[..at], &word[at + 1..]);
    match user.split_once([':', '/']) {
        // This is a drive on Windows.
        Some((name, secret)) if name.len() == 1 && secret.starts_with('\\') => word,
        Some((name, secret)) if is_mail(name, secret, host) => word,
        Some((name, secret)) if !name.is_empty() && !secret.is_empty() => {
            if user[name.len()..].starts_with(':') || is_oracle(host) { host } else { word }
        }
        _ => word,
    }
}

/// Whether `name:local@host` is a mail address, after a word that announces one or as the value of a JSON member.
fn is_mail(name: &str, local: &str, host: &str) -> bool {
    let is_member = name.ends_with('"') && local.starts_with('"');
    let local = local.trim_start_matches('"');
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte));
    let host = host.trim_end_matches(CLOSING);
    let is_announced = MAIL.iter().any(|word| name.eq_ignore_ascii_case(word));
    (is_member || is_announced) && !local.is_empty() && is_plain(local) && host.contains('.') && is_plain(host)
}

/// Whether the `?` at `at` starts the parameters of a URL without a scheme: `/p?a`, `h/p?a=b`.
fn is_parameters(word: &str, at: usize) -> bool {
    let (path, query) = (&word[..at], &word[at + 1..]);
    word[at..].starts_with('?') && !query.is_empty() && (path.contains('/') || query.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_user_info_query_and_fragment() {
        for (text, want) in [
            ("for url http://h/p?name=O'Brien&token=s3cret", "for url http://h/p"),
            ("for url <http://h/p?a=<x>&token=s3cret>", "for url <http://h/p>"),
            ("for url http://user:pa/s3cret@h/p", "for url http://h/p"),
            ("for url http://user:pa?s3cret@h/p", "for url http://h/p"),
            ("for url http://user:pa s3cret@h/p failed", "for url http://h/p failed"),
            ("for url h/p?X-Amz-Signature=s3cret", "for url h/p"),
            ("error: /p?s3cret", "error: /p"),
            ("error: http:\\\\user:s3cret@h/p", "error: http:\\\\h/p"),
            ("error: //user:s3cret@h/p", "error: //h/p"),
            ("for https:/h/p?token=s3cret", "for https:/h/p"),
            ("https://h/cb#access_token=s3cret.", "https://h/cb."),
            ("http://h/a(b)?token=s3cret)", "http://h/a(b))"),
            ("http://h/p?a=s3cret): timed out", "http://h/p): timed out"),
            ("https://ghp_s3cret@github.com/x/y.git", "https://github.com/x/y.git"),
            ("postgres://app:s3cret@db:5432/shop: refused", "postgres://db:5432/shop: refused"),
            ("amqp+ssl://app:s3cret@mq down", "amqp+ssl://mq down"),
            ("http://h:port failed", "http://h:port failed"),
        ] {
            assert_eq!(without_url_secrets(text), want, "{text}");
        }
    }

    #[test]
    fn every_url_of_a_word_is_redacted() {
        for (text, want) in [
            ("http://h/a,http://u:s3cret@h2/b", "http://h/a,http://h2/b"),
            ("[http://h/a|http://u:s3cret@h2/b]", "[http://h/a|http://h2/b]"),
            ("http://h/a->http://h2/b?x=s3cret", "http://h/a->http://h2/b"),
            ("http://h/login?next=http://h2/?x=s3cret", "http://h/login"),
            ("{\"url\":\"http://h/p?a=s3cret\",\"status\":503}", "{\"url\":\"http://h/p\",\"status\":503}"),
            ("{\"a\":\"http://u:s3cret@h/\",\"b\":\"/p?a=s3cret\"}", "{\"a\":\"http://h/\",\"b\":\"/p\"}"),
            ("\"http://h/p?a=it's s3cret&b=s3cret\" failed", "\"http://h/p\" failed"),
            ("<http://h/p?a=it's s3cret> failed", "<http://h/p> failed"),
        ] {
            assert_eq!(without_url_secrets(text), want, "{text}");
        }
        let many = format!("{}http://u:s3cret@h/", "http://h/,".repeat(40));
        assert!(!without_url_secrets(&many).contains("s3cret"));
    }

    #[test]
    fn connection_strings_lose_their_credentials() {
        for (text, want) in [
            ("dial app:s3cret@tcp(db:3306)/shop: refused", "dial tcp(db:3306)/shop: refused"),
            ("dial app:s3cret@db:3306", "dial db:3306"),
            ("scott/s3cret@//db:1521/orcl", "//db:1521/orcl"),
            ("scott/s3cret@db:1521/orcl", "db:1521/orcl"),
            ("scott/s3cret@(DESCRIPTION=(HOST=db))", "(DESCRIPTION=(HOST=db))"),
            ("jdbc:oracle:thin:scott/s3cret@db:1521:orcl", "db:1521:orcl"),
        ] {
            assert_eq!(without_url_secrets(text), want, "{text}");
        }
    }
}
