//! Patterns with `*` and `?`, matched against a whole text, ignoring case.

use std::fmt;

use wildmatch::WildMatchPattern;

/// A compiled pattern of X-Ray's sampling rules. `*` matches any run of characters, including none, and `?` matches
/// exactly one. Every other character matches itself, ignoring case in any script.
///
/// A pattern must match the whole text. Matching never allocates; its time is bounded by the product of both lengths.
/// Most patterns, such as `*`, `/health`, `/orders/*` and `*.example.com`, only compare bytes at the ends of the text.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `/orders/*` | `/orders/`, `/Orders/7/items` | `/orders` |
/// | `*.example.com` | `shop.example.com` | `example.com`, `shop.example.com:8080` |
/// | `10.0.0.?` | `10.0.0.7` | `10.0.0.42` |
/// | `*` | every text, even an empty one | |
///
/// ```
/// use xray_core::sampling::Wildcard;
///
/// let hosts = Wildcard::new("*.example.com");
/// assert!(hosts.matches("shop.Example.com"));
/// assert!(!hosts.matches("shop.example.com:8080"));
/// ```
#[derive(Clone)]
pub struct Wildcard {
    pattern: Box<str>,
    /// The number of plain ASCII bytes at the start of the pattern.
    head: usize,
    /// The number of plain ASCII bytes at its end; zero if the head is the whole pattern.
    tail: usize,
    middle: Middle,
    compiled: WildMatchPattern<'*', '?'>,
}

/// The part of the pattern between head and tail.
#[derive(Clone, Copy)]
enum Middle {
    Nothing,
    AnyRun,
    Other,
}

impl Wildcard {
    /// Compiles a pattern. Every text is a valid pattern; an empty one matches the empty text only.
    pub fn new(pattern: &str) -> Wildcard {
        let is_plain = |byte: &u8| byte.is_ascii() && !matches!(byte, b'*' | b'?');
        let head = pattern.bytes().take_while(is_plain).count();
        let tail = pattern[head..].bytes().rev().take_while(is_plain).count();
        let middle = match &pattern[head..pattern.len() - tail] {
            "" => Middle::Nothing,
            stars if stars.bytes().all(|byte| byte == b'*') => Middle::AnyRun,
            _ => Middle::Other,
        };
        Wildcard {
            pattern: pattern.into(),
            head,
            tail,
            middle,
            compiled: WildMatchPattern::new_case_insensitive(pattern),
        }
    }

    /// Whether the pattern matches every text, as one or more `*` do.
    pub(super) fn is_any(&self) -> bool {
        !self.pattern.is_empty() && self.pattern.bytes().all(|byte| byte == b'*')
    }

    /// Whether the pattern matches the whole text.
    ///
    /// ```
    /// use xray_core::sampling::Wildcard;
    ///
    /// assert!(Wildcard::new("/orders/?").matches("/orders/7"));
    /// assert!(!Wildcard::new("/orders/?").matches("/orders/42"));
    /// assert!(Wildcard::new("GET").matches("get"));
    /// ```
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, bytes) = (self.pattern.as_bytes(), text.as_bytes());
        // A character that matches an ASCII one is at least as long.
        if bytes.len() < self.head + self.tail {
            return false;
        }
        let head = pattern[..self.head].iter().zip(bytes);
        let tail = pattern[pattern.len() - self.tail..].iter().rev().zip(bytes.iter().rev());
        match first_difference(head).or_else(|| first_difference(tail)) {
            Some(byte) if byte.is_ascii() => false,
            // The lower case of a few other characters is ASCII: that of the kelvin sign is `k`.
            Some(_) => self.compiled.matches(text),
            None => match self.middle {
                Middle::AnyRun => true,
                Middle::Nothing => bytes.len() == pattern.len(),
                Middle::Other => self.compiled.matches(text),
            },
        }
    }

    /// The pattern as it was given to [`new`](Wildcard::new).
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

/// Returns the first byte of the text (the second of each pair) that differs by more than ASCII case.
fn first_difference<'a>(mut pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> Option<u8> {
    pairs.find(|(pattern, text)| !pattern.eq_ignore_ascii_case(text)).map(|(_, text)| *text)
}

impl fmt::Debug for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wildcard").field(&self.pattern).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_whole_texts_ignoring_case() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "a\nb", true),
            ("?", "", false),
            ("?", "\n", true),
            ("GET", "get", true),
            ("GET", "gets", false),
            ("GET", "ge", false),
            ("a*b", "AB", true),
            ("aba*aba", "aba", false),
            ("ab*ba", "aba", false),
            ("/signin/*", "/SIGNIN/a", true),
            ("/signin/*", "/signin", false),
            ("*.foo.com", "www.foo.com.evil.net", false),
            ("/api/*/items/?", "/api//items/7", true),
            ("*.*.us-east-?.elasticbeanstalk.com", "env.us-east-2.elasticbeanstalk.com", false),
            ("a.c", "abc", false),
            ("[ab]", "a", false),
            ("\\*", "\\anything", true),
            ("?**b", "bb", true),
        ] {
            assert_eq!(Wildcard::new(pattern).matches(text), want, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_question_mark_matches_one_unicode_character() {
        for (pattern, text, want) in [
            ("ÉCOLE", "école", true),
            ("??", "😀", false),
            ("a?b", "a😀b", true),
            ("*文", "中文", true),
            ("*ñ?", "mañana", false),
            ("k", "\u{212a}", true),
            ("\u{212a}", "K", true),
            ("k*", "\u{212a}x", true),
            ("*k", "x\u{212a}", true),
            ("kk*kk", "\u{212a}\u{212a}", false),
            ("i", "\u{130}", false),
        ] {
            assert_eq!(Wildcard::new(pattern).matches(text), want, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let pattern = Wildcard::new(&("a*".repeat(200) + "?b"));
        assert!(!pattern.matches(&"a".repeat(5000)));
    }

    /// The definition, row by row: the ends of the text that the pattern so far can reach.
    fn reference(pattern: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for wanted in pattern.chars() {
            let mut next = vec![false; text.len() + 1];
            for end in 0..=text.len() {
                next[end] = match wanted {
                    '*' => reached[end] || (end > 0 && next[end - 1]),
                    '?' => end > 0 && reached[end - 1],
                    _ => end > 0 && reached[end - 1] && wanted.to_lowercase().eq(text[end - 1].to_lowercase()),
                };
            }
            reached = next;
        }
        reached[text.len()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn few_characters_agree_with_the_definition(
            pattern in "[aAkKéÉ\u{212a}\u{130}中*?]{0,8}", text in "[aAkKéÉ\u{212a}\u{130}中]{0,10}"
        ) {
            prop_assert_eq!(Wildcard::new(&pattern).matches(&text), reference(&pattern, &text));
        }

        #[test]
        fn any_text_agrees_with_the_definition(pattern: String, text: String) {
            prop_assert_eq!(Wildcard::new(&pattern).matches(&text), reference(&pattern, &text));
        }

        #[test]
        fn a_text_with_holes_matches_itself(text in "\\PC{1,20}", holes: [prop::sample::Index; 3], wildcard in "[*?]") {
            let mut pattern: Vec<&str> = text.split("").collect();
            for hole in holes {
                let at = hole.index(text.chars().count());
                pattern[at + 1] = &wildcard;
            }
            let (pattern, upper) = (pattern.concat(), text.to_uppercase());
            prop_assert!(Wildcard::new(&pattern).matches(&text));
            prop_assert_eq!(Wildcard::new(&pattern).matches(&upper), reference(&pattern, &upper));
        }
    }
}
