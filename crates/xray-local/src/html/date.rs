//! Dates for people.

use std::time::Duration;

/// Formats a time since the epoch, such as `2026-11-28 09:30:00.250 UTC`.
pub(super) fn utc(time: Duration) -> String {
    let (days, second) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    // Years begin in March, so that the leap day is the last one; four centuries repeat.
    let since_march = days + 719_468;
    let (era, day) = (since_march / 146_097, since_march % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let (year, millis) = (era * 400 + year, time.subsec_millis());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_date() {
        for (seconds, want) in [
            (0, "1970-01-01 00:00:00.250 UTC"),
            (951_782_399, "2000-02-28 23:59:59.250 UTC"),
            (951_782_400, "2000-02-29 00:00:00.250 UTC"),
            (951_868_800, "2000-03-01 00:00:00.250 UTC"),
            (1_480_615_200, "2016-12-01 18:00:00.250 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59.250 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00.250 UTC"),
        ] {
            assert_eq!(utc(Duration::new(seconds, 250_000_000)), want);
        }
        // Documents can have any time.
        assert!(utc(Duration::MAX).ends_with(" UTC"));
    }
}
