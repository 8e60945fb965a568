//! How a waterfall looks: injected, so that the picture is a function of trace and style.

use std::env;
use std::io::IsTerminal;

/// The looks of a waterfall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    pub(crate) width: usize,
    pub(crate) color: bool,
    pub(crate) alike: usize,
    pub(crate) rows: usize,
}

impl Style {
    /// 100 columns, without colour; for files and tests.
    pub fn plain() -> Style {
        Style { width: 100, color: false, alike: 5, rows: 400 }
    }

    /// What suits an output: colour on a terminal unless `NO_COLOR` is set or `TERM` is `dumb`, and the width `COLUMNS`
    /// tells. Reads the environment now, not later.
    pub fn detect(output: &impl IsTerminal) -> Style {
        let style = Style::plain();
        if !output.is_terminal() {
            return style;
        }
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = columns.unwrap_or(style.width);
        style.with_color(!refused && !dumb).with_width(width)
    }

    /// Fits rows into so many columns, 64 at least: a trace id alone takes 35.
    #[must_use]
    pub fn with_width(self, columns: usize) -> Style {
        Style { width: columns.clamp(64, 1_000), ..self }
    }

    /// Turns colour on or off.
    #[must_use]
    pub fn with_color(self, color: bool) -> Style {
        Style { color, ..self }
    }

    /// Shows so many siblings of the same name before it sums up the others; 5 unless told.
    #[must_use]
    pub fn with_alike(self, siblings: usize) -> Style {
        Style { alike: siblings, ..self }
    }

    /// Shows so many entities of one trace at most; 400 unless told.
    #[must_use]
    pub fn with_rows(self, rows: usize) -> Style {
        Style { rows, ..self }
    }
}

impl Default for Style {
    fn default() -> Style {
        Style::plain()
    }
}
