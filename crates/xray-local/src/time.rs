//! Times in ISO 8601, as addresses and the command line have them.

use std::ops::Range;

const SECOND: u64 = 1_000_000;

/// Parses `PT15M`, the time before `now`, or `START~END`. Times are microseconds since the epoch.
pub(crate) fn range(text: &str, now: u64) -> Option<Range<u64>> {
    match text.split_once('~') {
        Some((start, end)) => Some(moment(start)?..moment(end)?),
        // Clocks of other machines may be ahead.
        None => Some(now.saturating_sub(duration(text)?)..u64::MAX),
    }
}

/// Parses a duration of weeks, days, hours, minutes and seconds, such as `P1DT12H`, into microseconds.
pub(crate) fn duration(text: &str) -> Option<u64> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) => (days, time),
        None => (text.strip_prefix('P')?, ""),
    };
    let days = units(days, &[('W', 604_800), ('D', 86_400)])?;
    let time = units(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    (text.len() > 2).then(|| days.saturating_add(time))
}

/// Parses numbers that are each followed by a unit.
fn units(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total: u64 = 0;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = text[end..].chars().next()?;
        let seconds = units.iter().find(|(name, _)| *name == unit)?.1;
        // The cast saturates.
        total = total.saturating_add((text[..end].parse::<f64>().ok()? * (seconds * SECOND) as f64) as u64);
        text = &text[end + unit.len_utf8()..];
    }
    Some(total)
}

/// Parses a time such as `2026-11-28T09:30:00.250Z`; a time without a zone is UTC.
pub(crate) fn moment(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let (time, offset) = zone(time)?;
    let mut date = date.splitn(3, '-');
    let mut next = || date.next()?.parse::<u32>().ok();
    let days = days(next()?, next()?, next()?)?;
    let mut parts = time.splitn(3, ':');
    let whole = |part: Option<&str>, limit: i64| part?.parse::<i64>().ok().filter(|n| (0..limit).contains(n));
    let (hours, minutes) = (whole(parts.next(), 24)?, whole(parts.next(), 60)?);
    let seconds: f64 = parts.next().unwrap_or("0").parse().ok().filter(|seconds| (0.0..61.0).contains(seconds))?;
    let whole = days * 86_400 + hours * 3_600 + (minutes - offset) * 60;
    let micros = i128::from(whole) * i128::from(SECOND) + (seconds * SECOND as f64).round() as i128;
    u64::try_from(micros).ok()
}

/// Splits the time zone off a time. Returns it in minutes.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(utc) = time.strip_suffix('Z') {
        return Some((utc, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (hours, minutes) = time[at + 1..].split_once(':').unwrap_or((&time[at + 1..], "0"));
    let minutes = hours.parse::<i64>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
    Some((&time[..at], if time[at..].starts_with('-') { -minutes } else { minutes }))
}

/// Returns the days since the epoch, by the Gregorian calendar.
fn days(year: u32, month: u32, day: u32) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(i64::from(days) - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_parsed() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2016-12-01T18:00:00.010Z", Some(1_480_615_200_010_000)),
            ("2016-12-01T20:00:00+02:00", Some(1_480_615_200_000_000)),
            ("2016-12-01T12:30-05:30", Some(1_480_615_200_000_000)),
            ("2000-02-29", Some(951_782_400_000_000)),
            ("2000-13-01", None),
            ("2000-01-01T24:00:00Z", None),
            ("now", None),
        ] {
            assert_eq!(moment(text), want, "{text}");
        }
        for (text, want) in [
            ("PT15M", Some(900)),
            ("P1DT1H0.5S", Some(90_000)),
            ("P1W", Some(604_800)),
            ("P", None),
            ("PT", None),
            ("15M", None),
            ("PT1X", None),
            ("PT1", None),
        ] {
            assert_eq!(duration(text).map(|micros| micros / SECOND), want, "{text}");
        }
        assert_eq!(range("PT1S", 5 * SECOND), Some(4 * SECOND..u64::MAX));
        assert_eq!(range("1970-01-01~1970-01-02", 0), Some(0..86_400 * SECOND));
    }
}
