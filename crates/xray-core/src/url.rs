//! URLs as people write them: finds the end of user info even if a password is not percent-encoded.

use std::borrow::Cow;

use memchr::{memchr3, memrchr};

use crate::scan;

/// Splits an absolute URL into three parts: the scheme with `://`, the authority without user info, and the rest.
pub(crate) fn split<'a>(url: &'a str) -> Option<[&'a str; 3]> {
    let colon = match url.as_bytes() {
        [b'h', b't', b't', b'p', b':', ..] => 4,
        [b'h', b't', b't', b'p', b's', b':', ..] => 5,
        _ => url.bytes().position(|byte| matches!(byte, b':' | b'/' | b'?' | b'#'))?,
    };
    let (scheme, rest) = url.split_at_checked(colon + 3).filter(|(start, _)| start[colon..] == *"://")?;
    // Nearly every authority is a host alone.
    let is_special = |byte| (byte == b'/') | (byte == b'?') | (byte == b'#') | (byte == b':') | (byte == b'@');
    let end = scan::position(rest.as_bytes(), is_special).unwrap_or(rest.len());
    if !matches!(rest.as_bytes().get(end), Some(b':' | b'@')) {
        return Some([scheme, &rest[..end], &rest[end..]]);
    }
    let parts = |rest: &'a str| rest.split_at(memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len()));
    let (authority, target) = parts(rest);
    // In `user:pa/ss@host`, the text after the colon is not a port but part of a password.
    let (authority, target) = if has_port_or_none(authority) { (authority, target) } else { parts(split_user(rest).1) };
    Some([scheme, without_user(authority), target])
}

/// Whether the text after the last colon is a port, or there is no colon.
fn has_port_or_none(authority: &str) -> bool {
    memrchr(b':', authority.as_bytes()).is_none_or(|colon| {
        let port = &authority.as_bytes()[colon + 1..];
        port.iter().all(u8::is_ascii_digit) || port.ends_with(b"]") || port.contains(&b'@')
    })
}

/// Returns an authority without its user info.
pub(crate) fn without_user(authority: &str) -> &str {
    // Nearly every authority is a host alone.
    if !scan::any(authority.as_bytes(), |byte| byte == b'@') {
        return authority;
    }
    memrchr(b'@', authority.as_bytes()).map_or(authority, |at| &authority[at + 1..])
}

/// Splits the text after `scheme://` of a handwritten URL into user info and the rest.
///
/// A password may contain `/`, `?`, `#` and `@`. If the text is ambiguous, more of it counts as user info, because a wrong
/// host is a smaller problem than a recorded password.
pub(crate) fn split_user(rest: &str) -> (Option<&str>, &str) {
    match user_end(rest) {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

/// Returns the position of the `@` that ends user info.
fn user_end(rest: &str) -> Option<usize> {
    let authority = &rest[..rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len())];
    let has_user = authority.contains('@');
    // Without a colon there is no password, and a later `@` belongs to the path.
    if !has_user && !authority.contains(':') {
        return None;
    }
    let is_host_and_port = || authority.rsplit_once(':').is_some_and(|(_, port)| is_number(port));
    let end = match rest.find('?') {
        Some(query) if is_query(&rest[query + 1..]) => {
            let plain = has_user || (is_host_and_port() && rest[..query].contains('/'));
            if plain { query } else { rest.len() }
        }
        _ => rest.len(),
    };
    memrchr(b'@', &rest.as_bytes()[..end])
}

pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text looks like parameters, none of which contains an `@host` that would end user info.
fn is_query(text: &str) -> bool {
    text.split('&').all(|pair| match pair.split_once('=') {
        Some((key, value)) => {
            let is_key =
                !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte));
            is_key && value.split_once('@').is_none_or(|(_, host)| !host.contains(['/', ':']))
        }
        None => !pair.contains('@'),
    })
}

/// Decodes percent-encoded characters. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    percent_decoded(text.as_bytes())
}

/// Decodes each `%` with two hexadecimal digits; any other `%` stays. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn percent_decoded(text: &[u8]) -> Cow<'_, str> {
    if !text.contains(&b'%') {
        return String::from_utf8_lossy(text);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let byte = match after {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_ends_at_the_last_at_sign_that_can_end_it() {
        for (rest, user, after) in [
            ("h/p", None, "h/p"),
            ("u:p@h/d", Some("u:p"), "h/d"),
            ("u:p@ss@h/d", Some("u:p@ss"), "h/d"),
            ("u:p/w@h/d", Some("u:p/w"), "h/d"),
            ("u:p?w@h/d", Some("u:p?w"), "h/d"),
            ("u:2024#w@h/d", Some("u:2024#w"), "h/d"),
            ("u:p@s/w@h/d", Some("u:p@s/w"), "h/d"),
            ("h/@scope/package", None, "h/@scope/package"),
            ("h/d?user=a@b", None, "h/d?user=a@b"),
            ("h:80/d?user=a@b", None, "h:80/d?user=a@b"),
            ("u:5/d?x=a@h/d", Some("u:5/d?x=a"), "h/d"),
            ("u:p@h/d?application_name=a@b", Some("u:p"), "h/d?application_name=a@b"),
            ("[::1]:80/p", None, "[::1]:80/p"),
            ("token@h/p", Some("token"), "h/p"),
        ] {
            assert_eq!(split_user(rest), (user, after), "{rest}");
        }
    }

    #[test]
    fn percent_signs_are_decoded_if_two_digits_follow() {
        for (text, want) in
            [("a", "a"), ("us%40er", "us@er"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%C3%9C", "Ü")]
        {
            assert_eq!(decoded(text), want);
        }
    }
}
