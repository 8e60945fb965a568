//! Splits a filter expression into words, texts and signs.

use super::FilterError;
use super::syntax::is_word;

/// A token. `#` begins JSON, which extends to the end of its array or object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// Letters, digits, `_`, `.` and `-`.
    Word(&'a str),
    /// In quotes.
    Text(String),
    Sign(&'static str),
    Json(&'a str),
    End,
}

/// The longer ones first.
const SIGNS: [&str; 14] = ["!=", "<=", ">=", "=", "<", ">", "!", "(", ")", "{", "}", "[", "]", ","];

/// Returns the next token at or after a position, and where it begins and ends.
pub(super) fn token(text: &str, from: usize) -> Result<(Token<'_>, usize, usize), FilterError> {
    let rest = text[from..].trim_start();
    let at = text.len() - rest.len();
    let Some(first) = rest.chars().next() else { return Ok((Token::End, at, at)) };
    if is_word(first) {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        return Ok((Token::Word(&rest[..length]), at, at + length));
    }
    if matches!(first, '"' | '\'') {
        let (value, length) = quoted(rest, first)
            .ok_or_else(|| FilterError::new(at, format!("the text that begins here has no end: add {first}")))?;
        return Ok((Token::Text(value), at, at + length));
    }
    if first == '#' {
        let mut values = serde_json::Deserializer::from_str(&rest[1..]).into_iter::<&serde_json::value::RawValue>();
        return match values.next() {
            Some(Ok(json)) => Ok((Token::Json(json.get()), at, at + 1 + values.byte_offset())),
            _ => Err(FilterError::new(at, "no valid JSON follows `#`")),
        };
    }
    for (wrong, right) in [("==", "="), ("<>", "!="), ("&&", "AND"), ("||", "OR")] {
        if rest.starts_with(wrong) {
            return Err(FilterError::new(at, format!("`{wrong}` does not exist: write `{right}`")));
        }
    }
    if let Some(sign) = SIGNS.iter().chain(&[":"]).find(|sign| rest.starts_with(**sign)) {
        return Ok((Token::Sign(sign), at, at + sign.len()));
    }
    Err(FilterError::new(at, format!("unexpected {first:?}: put text in quotes")))
}

/// Returns the value of a text in quotes, and its length with the quotes.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((index, c)) = characters.next() {
        match c {
            c if c == quote => return Some((value, index + 1)),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\'' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}
