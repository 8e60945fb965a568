//! The appearance of a waterfall, passed in, so that the output depends only on the trace and the style.

use std::env;
use std::io::IsTerminal;

/// The appearance of a waterfall: width, colour and number of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    pub(crate) width: usize,
    pub(crate) color: bool,
    pub(crate) alike: usize,
    pub(crate) rows: usize,
}

impl Style {
    /// Returns a style with 100 columns and no colour, for files and tests.
    pub fn plain() -> Style {
        Style { width: 100, color: false, alike: 5, rows: 400 }
    }

    /// Returns the style that suits an output.
    ///
    /// On a terminal, this enables colour unless `NO_COLOR` is set or `TERM` is `dumb`, and takes the width from
    /// `COLUMNS` (default: 100). For any other output it returns [`plain`](Style::plain). The environment is read once,
    /// during this call.
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

    /// Sets the width in columns (default: 100). Values below 64 or above 1,000 are clamped: a trace id alone takes 35.
    ///
    /// Calling this again replaces the width.
    #[must_use]
    pub fn with_width(self, columns: usize) -> Style {
        Style { width: columns.clamp(64, 1_000), ..self }
    }

    /// Enables or disables colour (default: disabled). Calling this again replaces the value.
    #[must_use]
    pub fn with_color(self, color: bool) -> Style {
        Style { color, ..self }
    }

    /// Sets how many siblings with the same name are shown before the others are summarised in one row (default: 5).
    ///
    /// Calling this again replaces the value.
    #[must_use]
    pub fn with_alike(self, siblings: usize) -> Style {
        Style { alike: siblings, ..self }
    }

    /// Sets the maximum number of rows for one trace (default: 400). The last line says how many entities are not
    /// shown.
    ///
    /// Calling this again replaces the value.
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
