//! The text of a query, without its bind values.

use std::fmt::{self, Display, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Separates the text from the bind values when diesel formats a query.
const BINDS: &str = " -- binds:";
/// The largest length in bytes. What is recorded is shorter.
const MAX_LEN: usize = 64 * 1024;

/// Formats a query up to its bind values. `None` if that fails; a query is formatted by code of the application, which may
/// also panic.
pub(crate) fn of(query: &(impl Display + ?Sized)) -> Option<String> {
    let mut out = BeforeBinds::default();
    let result = catch_unwind(AssertUnwindSafe(|| write!(out, "{query}")));
    match result {
        Ok(Ok(())) => Some(out.text),
        Ok(Err(_)) if out.is_cut => Some(out.text),
        _ => None,
    }
}

/// Stops before the first bind value, so that none is formatted.
#[derive(Default)]
struct BeforeBinds {
    text: String,
    is_cut: bool,
}

impl BeforeBinds {
    fn cut(&mut self, len: usize) -> fmt::Result {
        self.text.truncate(len);
        self.is_cut = true;
        Err(fmt::Error)
    }
}

impl Write for BeforeBinds {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        // The separator may begin in an earlier part.
        let unsearched = boundary(&self.text, self.text.len().saturating_sub(BINDS.len()));
        self.text.push_str(part);
        if let Some(at) = self.text[unsearched..].find(BINDS) {
            return self.cut(unsearched + at);
        }
        match self.text.len() > MAX_LEN {
            true => self.cut(boundary(&self.text, MAX_LEN)),
            false => Ok(()),
        }
    }
}

/// Returns the last position up to `at` that is not within a character.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that writes these parts, and then panics if it is written to the end.
    struct Parts(&'static [&'static str], fn() -> fmt::Result);

    impl Display for Parts {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|part| f.write_str(part))?;
            self.1()
        }
    }

    #[test]
    fn the_text_ends_before_the_first_bind_value() {
        let unreachable = || panic!("bind values are formatted");
        for (parts, want) in [
            (&["SELECT $1", " -- binds: ", "[\"planted\"]"][..], "SELECT $1"),
            (&["SELECT $1 -- bi", "nds: [\" -- binds: planted\"]"][..], "SELECT $1"),
            (&["é", " -- ", "binds:", "planted"][..], "é"),
            (&[" -- binds:planted"][..], ""),
        ] {
            assert_eq!(of(&Parts(parts, unreachable)).as_deref(), Some(want), "{parts:?}");
        }
        assert_eq!(of("SELECT 1").as_deref(), Some("SELECT 1"));
    }

    #[test]
    fn a_text_that_cannot_be_formatted_is_left_out() {
        assert_eq!(of(&Parts(&["SELECT"], || Err(fmt::Error))), None);
        assert_eq!(of(&Parts(&["SELECT"], || panic!("an application's code panics"))), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = of(&"é1".repeat(MAX_LEN)).expect("a text");
        assert_eq!(text, "é1".repeat(MAX_LEN / 3 + 1)[..text.len()]);
        assert!(text.len() <= MAX_LEN && text.len() > MAX_LEN - 4);
    }
}
