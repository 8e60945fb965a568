//! The only way to the output. Replaces received characters that would break a line or control the terminal.

use crate::trace::Outcome;

/// Text under construction.
#[derive(Debug)]
pub(crate) struct Canvas {
    out: String,
    color: bool,
    /// Pending spaces, written before the next text, so that no line ends with spaces.
    gap: usize,
}

/// The kind of a text, which determines its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Strong,
    Faint,
    Open,
    Outcome(Outcome),
}

impl Ink {
    /// Returns the parameter of the terminal's SGR sequence.
    fn code(self) -> Option<&'static str> {
        match self {
            Ink::Plain => None,
            Ink::Strong => Some("1"),
            Ink::Faint => Some("2"),
            Ink::Open => Some("36"),
            Ink::Outcome(Outcome::Ok) => Some("32"),
            Ink::Outcome(Outcome::Error) => Some("33"),
            Ink::Outcome(Outcome::Throttle) => Some("35"),
            Ink::Outcome(Outcome::Fault) => Some("31"),
        }
    }
}

impl Canvas {
    pub(crate) fn new(color: bool) -> Canvas {
        Canvas { out: String::new(), color, gap: 0 }
    }

    /// Writes a text, with harmful characters replaced.
    pub(crate) fn put(&mut self, ink: Ink, text: &str) {
        if text.is_empty() {
            return;
        }
        self.out.extend(std::iter::repeat_n(' ', std::mem::take(&mut self.gap)));
        let code = ink.code().filter(|_| self.color);
        if let Some(code) = code {
            self.out.extend(["\x1b[", code, "m"]);
        }
        self.out.extend(text.chars().map(harmless));
        if code.is_some() {
            self.out.push_str("\x1b[0m");
        }
    }

    /// Leaves this many spaces before the next text of this line.
    pub(crate) fn skip(&mut self, cells: usize) {
        self.gap += cells;
    }

    pub(crate) fn end_line(&mut self) {
        self.gap = 0;
        self.out.push('\n');
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}

/// Replaces white space with a space, and characters that control the terminal or the direction of text with U+FFFD.
fn harmless(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => ' ',
        '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {
            '\u{fffd}'
        }
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Returns the number of columns a text takes on a terminal that follows Unicode's character widths.
pub(crate) fn cells(text: &str) -> usize {
    text.chars().map(char_cells).sum()
}

fn char_cells(c: char) -> usize {
    match u32::from(harmless(c)) {
        ..0x300 => 1,
        // Combining marks and variation selectors.
        0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        // East Asian scripts, emoji.
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f680..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Cuts a text between characters to this many columns. A text that was cut ends with an ellipsis.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let mut used = 0;
    let mut cut = 0;
    for (marks, (at, c)) in text.char_indices().enumerate() {
        used += char_cells(c);
        // Limit characters without width, which would never fill the columns.
        if used > width || marks > 4 * width {
            return if width == 0 { String::new() } else { format!("{}…", &text[..cut]) };
        }
        if used < width {
            cut = at + c.len_utf8();
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, width, want) in [
            ("checkout", 8, "checkout"),
            ("checkout", 7, "checko…"),
            ("checkout", 1, "…"),
            ("checkout", 0, ""),
            ("", 0, ""),
            ("größer", 4, "grö…"),
            ("注文を処理", 10, "注文を処理"),
            ("注文を処理", 9, "注文を処…"),
            ("注文を処理", 8, "注文を…"),
        ] {
            assert_eq!(fit(text, width), want, "{text} in {width}");
            assert!(cells(&fit(text, width)) <= width);
        }
        assert!(fit(&"\u{301}".repeat(10_000), 10).len() < 200);
    }

    #[test]
    fn control_characters_are_replaced() {
        let mut canvas = Canvas::new(false);
        canvas.put(Ink::Plain, "a\x1b[2Jb\nc\u{9b}31md\u{202e}e\x07\x7f\0");
        assert_eq!(canvas.finish(), "a\u{fffd}[2Jb c\u{fffd}31md\u{fffd}e\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn lines_do_not_end_with_spaces() {
        let mut canvas = Canvas::new(true);
        canvas.put(Ink::Strong, "a");
        canvas.skip(3);
        canvas.put(Ink::Plain, "");
        canvas.end_line();
        canvas.skip(1);
        canvas.put(Ink::Plain, "b");
        assert_eq!(canvas.finish(), "\x1b[1ma\x1b[0m\n b");
    }
}
