//! Removes the values that errors of databases quote.

/// Marks that start a value, each with the mark that ends it.
const QUOTES: [(char, char); 12] = [
    ('\'', '\''),
    ('"', '"'),
    ('`', '`'),
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('\u{201c}', '\u{201d}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
    ('\u{bb}', '\u{ab}'),
    ('\u{300c}', '\u{300d}'),
];

/// Returns the first line of the error without its values: one `?` replaces everything from the first mark that starts a
/// value to the last that ends one, and each number. SQLSTATE and the database's own code are kept.
pub(crate) fn without_values(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    // PostgreSQL's details contain whole rows, and drivers write them on the same line.
    let details = ["DETAIL:", "HINT:", "CONTEXT:", "STATEMENT:", "QUERY:"];
    let line = &line[..details.iter().filter_map(|detail| line.find(detail)).min().unwrap_or(line.len())];
    let mut shown = String::with_capacity(line.len());
    let rest = codes_first(line, &mut shown);
    match value(rest) {
        Some((before, open, close, after)) => {
            push_without_numbers(&mut shown, before);
            shown.extend([open, '?', close]);
            push_without_numbers(&mut shown, after);
        }
        None => push_without_last_word(&mut shown, rest),
    }
    shown.truncate(shown.trim_end().len());
    if let Some(code) = sqlstate(rest)
        && !shown.contains(code)
    {
        shown.extend([" (SQLSTATE ", code, ")"]);
    }
    shown
}

/// Appends what drivers write before the message, and returns the rest: sqlx's own words, and the codes such as
/// `ORA-01722: `, `ERROR 1062 (23000): `, `22P02: ` or `(code: 2067) `.
fn codes_first<'a>(text: &'a str, shown: &mut String) -> &'a str {
    const SQLX: &str = "error returned from database: ";
    if let Some(rest) = text.strip_prefix(SQLX) {
        shown.push_str(SQLX);
        return codes_first(rest, shown);
    }
    if let Some((code, rest)) = text.strip_prefix("(code: ").and_then(|rest| rest.split_once(") "))
        && code.len() <= 5
        && code.bytes().all(|byte| byte.is_ascii_digit())
    {
        shown.extend(["(code: ", code, ") "]);
        return rest;
    }
    let Some((head, _)) = text.split_once(": ") else { return text };
    let is_code = |word: &str| {
        let word = word.trim_matches(['(', ')', '[', ']']);
        let is_number = word.len() <= 5 && word.bytes().all(|byte| byte.is_ascii_digit());
        let vendor = word.split_once('-').is_some_and(|(name, number)| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_uppercase())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        is_number || vendor || is_sqlstate(word) || word.eq_ignore_ascii_case("error")
    };
    if !head.split(' ').all(is_code) {
        return text;
    }
    let (head, rest) = text.split_at(head.len() + 2);
    shown.push_str(head);
    rest
}

/// Finds the code after the word `SQLSTATE`.
fn sqlstate(text: &str) -> Option<&str> {
    let rest = &text[text.find("SQLSTATE")? + "SQLSTATE".len()..];
    let code = rest.trim_start_matches([' ', ':', '=', '[', '(', '"']);
    code.get(..5).filter(|code| is_sqlstate(code))
}

fn is_sqlstate(text: &str) -> bool {
    text.len() == 5
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Splits a text around its values into the text before the first value, the marks around it, and the text after the last
/// value. A value may contain any mark, so everything in between counts as one value.
fn value(text: &str) -> Option<(&str, char, char, &str)> {
    let mut before = None;
    let (at, open, close) = text.char_indices().find_map(|(at, c)| {
        let is_apostrophe = c == '\'' && before.is_some_and(char::is_alphanumeric);
        before = Some(c);
        let (open, close) = QUOTES.into_iter().find(|(open, _)| *open == c && !is_apostrophe)?;
        Some((at, open, close))
    })?;
    let rest = &text[at + open.len_utf8()..];
    let ends = |c: char| QUOTES.iter().any(|(_, close)| *close == c);
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    // The apostrophe of a word such as `doesn't` ends nothing. Without a mark that ends it, the value extends to the end.
    let end = rest.char_indices().rev().find(|(at, c)| {
        let is_apostrophe =
            *c == '\'' && is_letter(rest[..*at].chars().next_back()) && is_letter(rest[at + 1..].chars().next());
        ends(*c) && !is_apostrophe
    });
    let after = end.map_or("", |(end, _)| rest[end..].trim_start_matches(ends));
    Some((&text[..at], open, close, after))
}

/// Appends a text without quotes. The word after its last colon may be a value: `no such column: x`.
fn push_without_last_word(shown: &mut String, text: &str) {
    match text.rsplit_once(": ") {
        Some((before, word)) if !word.contains(' ') && !before.ends_with("failed") => {
            push_without_numbers(shown, before);
            shown.push_str(": ?");
        }
        _ => push_without_numbers(shown, text),
    }
}

/// Appends a text with `?` for each number, date and the like.
fn push_without_numbers(shown: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let start = rest[..at].rfind(|c: char| !c.is_alphanumeric() && !"_.-".contains(c));
        let start = start.map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
        let end =
            rest[at..].find(|c: char| !c.is_alphanumeric() && !".-:_".contains(c)).map_or(rest.len(), |end| at + end);
        let word = &rest[start..end];
        shown.push_str(&rest[..start]);
        // A name such as `int4` or `utf8` is the type of a value.
        let is_name = word.len() <= 12 && word.starts_with(|c: char| c.is_ascii_lowercase());
        let kept = word.trim_end_matches(CLOSING);
        shown.push_str(if is_name { word } else { "?" });
        if !is_name {
            shown.push_str(&word[kept.len()..]);
        }
        rest = &rest[end..];
    }
    shown.push_str(rest);
}

/// Punctuation after a number.
const CLOSING: [char; 3] = [':', '.', '-'];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn database_errors_keep_their_kind_and_codes_and_lose_their_values() {
        for (text, want) in [
            ("invalid input syntax for type integer: \"s3cret\"", "invalid input syntax for type integer: \"?\""),
            (
                "ERROR: invalid input syntax for type uuid: \"s3cret\" (SQLSTATE 22P02)",
                "ERROR: invalid input syntax for type uuid: \"?\" (SQLSTATE 22P02)",
            ),
            ("22P02: bad value \"s3cret\"", "22P02: bad value \"?\""),
            (
                "duplicate key value violates unique constraint \"k\"\nDETAIL:  Key (email)=(s3cret) already exists.",
                "duplicate key value violates unique constraint \"?\"",
            ),
            (
                "null value in column \"a\" violates not-null constraint DETAIL: Failing row contains (1, s3cret).",
                "null value in column \"?\" violates not-null constraint",
            ),
            ("syntax error at or near \"x\"\nLINE 1: SELECT s3cret\n     ^", "syntax error at or near \"?\""),
            (
                "ERROR 1062 (23000): Duplicate entry 's3cre's3cret' for key 'email'",
                "ERROR 1062 (23000): Duplicate entry '?'",
            ),
            ("1062 (23000): Duplicate entry 's3cret'", "1062 (23000): Duplicate entry '?'"),
            ("Key (email)=(s3cret (old)) already exists.", "Key (?) already exists."),
            ("ORA-01722: invalid number", "ORA-01722: invalid number"),
            (
                "ORA-12899: value too large for column \"A\".\"B\" (actual: 12)",
                "ORA-12899: value too large for column \"?\"",
            ),
            ("value 's3's3cret' is bad", "value '?' is bad"),
            ("invalid \"a\" s3cret \"b\"", "invalid \"?\""),
            ("value 12345678901 is out of range at 2024-01-01.", "value ? is out of range at ?."),
            ("cannot cast int4 to utf8", "cannot cast int4 to utf8"),
            ("can't connect to server at line 1", "can't connect to server at line ?"),
            ("unterminated \"s3cret", "unterminated \"?\""),
            ("invalid: «s3cret» „s3cret“ »s3cret« 「s3cret」", "invalid: «?»"),
            ("no such column: s3cret", "no such column: ?"),
            ("(code: 1) no such column: s3cret", "(code: 1) no such column: ?"),
            ("(code: s3cret) no such column: x", "(?) no such column: x"),
            (
                "error returned from database: 1146 (42S02): Table 's3cret' doesn't exist",
                "error returned from database: 1146 (42S02): Table '?' doesn't exist",
            ),
            (
                "error returned from database: (code: 1) near \"s3cret\": syntax error",
                "error returned from database: (code: 1) near \"?\": syntax error",
            ),
            ("Incorrect value 's3cret's3cret", "Incorrect value '?'"),
            ("UNIQUE constraint failed: users.email", "UNIQUE constraint failed: users.email"),
            ("", ""),
        ] {
            assert_eq!(without_values(text), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled_without_a_panic(text: String) {
            let _ = without_values(&text);
        }

        #[test]
        fn no_quoted_value_is_recorded(value in "[a-z0-9'\"`()\\[\\]{} :;,.=-]{0,16}", form in 0..5usize) {
            let value = format!("qz{value}zq");
            let text = match form {
                0 => format!("ERROR: invalid input syntax for type integer: \"{value}\" (SQLSTATE 22P02)"),
                1 => format!("Duplicate entry '{value}' for key 'users.email'"),
                2 => format!("The duplicate key value is ({value}). Done"),
                3 => format!("Incorrect value: `{value}` for column 'a' at row 1"),
                _ => format!("bad row\nDETAIL:  Failing row contains (1, {value})."),
            };
            let shown = without_values(&text);
            prop_assert!(!shown.contains("qz") && !shown.contains("zq"), "{} became {}", text, shown);
        }
    }
}
