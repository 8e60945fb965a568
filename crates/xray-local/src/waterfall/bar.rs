//! Bars on a common scale, and durations as text.

use std::time::Duration;

/// Maps the time of a trace to columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    span: u128,
    width: usize,
}

/// A bar: spaces, then blocks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) skip: usize,
    pub(crate) blocks: String,
}

impl Scale {
    pub(crate) fn new(span: Duration, width: usize) -> Scale {
        Scale { span: span.as_micros().max(1), width: width.max(1) }
    }

    /// Returns the bar from begin to end. The end is exact to an eighth of a column, the begin to a column. A bar is
    /// never empty.
    pub(crate) fn bar(&self, begin: Duration, end: Duration) -> Bar {
        const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let total = self.width * 8;
        let skip = (self.eighths(begin) / 8).min(self.width - 1);
        let eighths = self.eighths(end).clamp(skip * 8 + 1, total) - skip * 8;
        Bar { skip, blocks: "█".repeat(eighths / 8) + PARTS[eighths % 8] }
    }

    /// Returns the bar of an entity whose end is not known.
    pub(crate) fn open_bar(&self, begin: Duration) -> Bar {
        let skip = (self.eighths(begin) / 8).min(self.width - 1);
        Bar { skip, blocks: "█".repeat(self.width - skip - 1) + "▶" }
    }

    /// Returns the bar for the range that several summarised entities cover.
    pub(crate) fn shade(&self, begin: Duration, end: Duration) -> Bar {
        let skip = (self.eighths(begin) / 8).min(self.width - 1);
        let until = self.eighths(end).div_ceil(8).clamp(skip + 1, self.width);
        Bar { skip, blocks: "░".repeat(until - skip) }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    fn eighths(&self, time: Duration) -> usize {
        // Times are untrusted: those beyond the span are clamped.
        let total = self.width * 8;
        let position = time.as_micros().min(self.span) as f64 / self.span as f64 * total as f64;
        (position.round() as usize).min(total)
    }
}

/// Formats a duration with three digits and a suitable unit.
pub(crate) fn duration_text(duration: Duration) -> String {
    let micros = duration.as_micros();
    let seconds = duration.as_secs();
    match micros {
        0..1_000 => format!("{micros} µs"),
        // The ranges end where three digits would round up to 1000.
        1_000..999_500 => format!("{} ms", three_digits(micros as f64 / 1e3)),
        999_500..59_950_000 => format!("{} s", three_digits(micros as f64 / 1e6)),
        _ => match (seconds + u64::from(micros < 60_000_000), seconds / 3600, seconds / 86_400) {
            (seconds, 0, _) => format!("{}m {:02}s", seconds / 60, seconds % 60),
            (_, hours, 0) => format!("{hours}h {:02}m", seconds / 60 % 60),
            (_, hours, days @ 1..1_000) => format!("{days}d {:02}h", hours % 24),
            (.., days) => format!("{days} d"),
        },
    }
}

fn three_digits(value: f64) -> String {
    let text = match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => return format!("{value:.0}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (micros, want) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (1_234, "1.23 ms"),
            (9_999, "10 ms"),
            (12_300, "12.3 ms"),
            (99_990, "100 ms"),
            (999_499, "999 ms"),
            (999_999, "1 s"),
            (1_500_000, "1.5 s"),
            (59_940_000, "59.9 s"),
            (59_960_000, "1m 00s"),
            (83_000_000, "1m 23s"),
            (3_720_000_000, "1h 02m"),
            (93_600_000_000, "1d 02h"),
            (u64::MAX, "213503982 d"),
        ] {
            assert_eq!(duration_text(Duration::from_micros(micros)), want, "{micros}");
        }
    }

    #[test]
    fn bars_show_position_and_length() {
        let scale = Scale::new(Duration::from_millis(80), 10);
        let ms = Duration::from_millis;
        for (begin, end, want) in [
            (0, 80, "██████████"),
            (0, 40, "█████"),
            (40, 80, "     █████"),
            (8, 12, " ▌"),
            (40, 40, "     ▏"),
            (80, 80, "         █"),
            (100, 900, "         █"),
        ] {
            let bar = scale.bar(ms(begin), ms(end));
            assert_eq!(" ".repeat(bar.skip) + &bar.blocks, want, "{begin} to {end}");
        }
        assert_eq!(scale.open_bar(ms(40)), Bar { skip: 5, blocks: "████▶".to_owned() });
        assert_eq!(scale.shade(ms(0), ms(1)), Bar { skip: 0, blocks: "░".to_owned() });
    }

    #[test]
    fn a_trace_without_duration_still_has_bars() {
        assert_eq!(Scale::new(Duration::ZERO, 10).bar(Duration::ZERO, Duration::ZERO).blocks, "▏");
        let all = Scale::new(Duration::MAX, 10).bar(Duration::ZERO, Duration::MAX);
        assert_eq!(all.blocks, "██████████");
    }
}
