//! Text inside HTML.

use std::fmt::{self, Display, Formatter, Write};

/// A text with everything escaped that has a meaning in HTML. Control characters are replaced, except line breaks and
/// tabulators.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Returns JSON with a line for each member and element, and everything else as it was written.
pub(super) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = characters.next() {
        if in_text {
            out.push(c);
            in_text = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                out.push(c);
                while characters.peek().is_some_and(char::is_ascii_whitespace) {
                    characters.next();
                }
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                in_text = c == '"';
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let text = Escaped("<a href='x' onclick=\"y\">&\u{0}\u{1b}\n</a>").to_string();
        assert_eq!(text, "&lt;a href=&#39;x&#39; onclick=&quot;y&quot;&gt;&amp;\u{fffd}\u{fffd}\n&lt;/a&gt;");
    }

    #[test]
    fn json_gets_lines_and_keeps_its_values() {
        let json = r#"{"a" : [ ], "b":{"c":1.50, "d":"x\",{:\\"},"e":[1,{}]}"#;
        let want = "{\n  \"a\": [],\n  \"b\": {\n    \"c\": 1.50,\n    \"d\": \"x\\\",{:\\\\\"\n  },\n  \"e\": [\n    1,\n    {}\n  ]\n}";
        assert_eq!(indented(json), want);
    }
}
