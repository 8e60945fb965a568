//! Writes JSON by appending to a buffer.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write as _};
use std::net::IpAddr;

use serde::Serialize;

use crate::id::EntityId;
use crate::scan;
use crate::time::Timestamp;
use crate::user_code;

/// Returns the text of bytes that are UTF-8 by construction.
pub(crate) fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Writes text that is already JSON.
#[inline]
pub(crate) fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Writes a quoted string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Writes the content of a string, without quotes.
#[inline]
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    // Nearly every text needs no escapes.
    if is_plain(text.as_bytes()) { out.extend_from_slice(text.as_bytes()) } else { escape(out, text) }
}

#[cold]
fn escape(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}

/// Whether no byte needs an escape.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    // The last piece overlaps the one before.
    match (text.first_chunk::<4>(), text.first_chunk::<8>(), text.last_chunk::<8>()) {
        _ if text.len() >= 16 => !scan::any(text, needs_escape),
        (_, Some(first), Some(last)) => !any_needs_escape([*first, *last].map(u64::from_ne_bytes)),
        (Some(first), ..) => {
            let [first, last] = [first, text.last_chunk().unwrap_or(first)].map(|four| u32::from_ne_bytes(*four));
            !any_needs_escape([u64::from(first) << 32 | u64::from(last)])
        }
        _ => !text.iter().any(|byte| needs_escape(*byte)),
    }
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Whether any byte of the words needs an escape.
#[inline]
fn any_needs_escape<const N: usize>(words: [u64; N]) -> bool {
    /// A one in each byte.
    const EACH: u64 = u64::MAX / 0xff;
    let found = words.into_iter().fold(0, |found, bytes| {
        // A subtraction sets the highest bit of a byte that is smaller. Flipping the second bit makes a quote smaller than
        // 0x21, as control characters are, and a blank larger.
        let small = (bytes ^ (EACH * 0x02)).wrapping_sub(EACH * 0x21);
        let backslash = (bytes ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
        found | (small | backslash) & !bytes
    });
    found & (EACH * 0x80) != 0
}

pub(crate) fn unsigned(out: &mut Vec<u8>, number: u64) {
    let pair = |number: u64| PAIRS[(number % 100) as usize];
    match number {
        // Most numbers are small: status codes, lengths, parts of addresses.
        0..10 => out.push(b'0' + number as u8),
        10..100 => out.extend_from_slice(&pair(number)),
        100..1000 => {
            let [tens, ones] = pair(number);
            out.extend_from_slice(&[b'0' + (number / 100) as u8, tens, ones]);
        }
        _ => {
            let mut digits = [0; 20];
            let mut at = digits.len();
            let mut rest = number;
            while rest >= 10 {
                at -= 2;
                digits[at..at + 2].copy_from_slice(&pair(rest));
                rest /= 100;
            }
            if rest > 0 {
                at -= 1;
                digits[at] = b'0' + rest as u8;
            }
            out.extend_from_slice(&digits[at..]);
        }
    }
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

pub(crate) fn signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    unsigned(out, number.unsigned_abs());
}

/// Writes a finite number. JSON has no others.
pub(crate) fn float(out: &mut Vec<u8>, number: f64) {
    debug_assert!(number.is_finite());
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, &number);
}

pub(crate) fn boolean(out: &mut Vec<u8>, value: bool) {
    raw(out, if value { "true" } else { "false" });
}

/// The microseconds of a second.
const SECOND: u64 = 1_000_000;

thread_local! {
    /// The second of the time that this thread has written last, which seldom changes: its start and its text.
    static LAST: Cell<(Timestamp, [u8; 17])> =
        const { Cell::new((Timestamp::from_micros(1_000_000_000 * SECOND), *b"1000000000.000000")) };
}

/// Writes a time as seconds since the Unix epoch with six decimals.
#[inline(always)]
pub(crate) fn time(out: &mut Vec<u8>, time: Timestamp) {
    let (mut start, mut text) = LAST.get();
    // An earlier time wraps around to a large number.
    if time.as_micros().wrapping_sub(start.as_micros()) >= SECOND {
        match begin_second(time) {
            Some(second) => (start, text) = second,
            None => return raw(out, &time.to_string()),
        }
    }
    let micros = (time.as_micros() - start.as_micros()) as u32;
    let mut put = |at: usize, number: u32| text[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
    put(11, micros / 10_000);
    put(13, micros / 100);
    put(15, micros);
    out.extend_from_slice(&text);
}

/// Returns the second of a time, and keeps it in [`LAST`]. All times from 2001 to 2286 have ten digits of seconds, and
/// others have no such text.
#[cold]
fn begin_second(time: Timestamp) -> Option<(Timestamp, [u8; 17])> {
    let seconds = time.as_secs();
    if !(1_000_000_000..10_000_000_000).contains(&seconds) {
        return None;
    }
    let mut text = *b"0000000000.000000";
    let mut rest = seconds;
    for pair in text[..10].as_chunks_mut::<2>().0.iter_mut().rev() {
        *pair = PAIRS[(rest % 100) as usize];
        rest /= 100;
    }
    let second = (Timestamp::from_micros(seconds * SECOND), text);
    LAST.set(second);
    Some(second)
}

/// Why a value cannot be written as JSON.
#[derive(Debug)]
pub(crate) enum NoJson {
    Failed(serde_json::Error),
    Panicked,
}

impl fmt::Display for NoJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoJson::Failed(error) => write!(f, "its serialisation failed: {error}"),
            NoJson::Panicked => f.write_str("its serialisation panicked"),
        }
    }
}

/// Writes a serialisable value, by its own code. On an error, `out` is unchanged.
pub(crate) fn value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), NoJson> {
    let before = out.len();
    let serialise = || value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Compact::default()));
    let result = match user_code::call(serialise) {
        Some(result) => result.map_err(NoJson::Failed),
        None => Err(NoJson::Panicked),
    };
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// Formats JSON without white space, and 128-bit integers as strings: X-Ray accepts no number of this size.
#[derive(Default)]
struct Compact {
    /// Whether a key is being written, which is a string already.
    in_key: bool,
}

impl Compact {
    /// Writes a number as a string. A key is within quotes already.
    fn quoted<W: ?Sized + io::Write>(&self, out: &mut W, number: &dyn fmt::Display) -> io::Result<()> {
        if self.in_key { write!(out, "{number}") } else { write!(out, "\"{number}\"") }
    }
}

impl serde_json::ser::Formatter for Compact {
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.in_key = true;
        if first { Ok(()) } else { out.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_key = false;
        Ok(())
    }

    fn write_i128<W: ?Sized + io::Write>(&mut self, out: &mut W, value: i128) -> io::Result<()> {
        self.quoted(out, &value)
    }

    fn write_u128<W: ?Sized + io::Write>(&mut self, out: &mut W, value: u128) -> io::Result<()> {
        self.quoted(out, &value)
    }
}

/// Writes `,"name":` for any name.
pub(crate) fn named_member(out: &mut Vec<u8>, name: &str) {
    out.push(b',');
    string(out, name);
    out.push(b':');
}

/// Writes `,"name":` for a name that needs no escapes.
pub(crate) fn member(out: &mut Vec<u8>, name: &'static str) {
    raw(out, ",\"");
    raw(out, name);
    raw(out, "\":");
}

/// Writes `before`, which ends with an opening quote, then the text and the closing quote.
#[inline]
pub(crate) fn text_after(out: &mut Vec<u8>, before: &str, text: &str) {
    raw(out, before);
    escaped(out, text);
    out.push(b'"');
}

/// Writes `,"name":"text"` for a name that needs no escapes.
pub(crate) fn text_member(out: &mut Vec<u8>, name: &'static str, text: &str) {
    member(out, name);
    string(out, text);
}

/// Writes the text of an address, without quotes.
pub(crate) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        // Formatting by `Display` takes ten times as long.
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                unsigned(out, octet.into());
            }
        }
        IpAddr::V6(address) => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{address}");
        }
    }
}

pub(crate) fn id(out: &mut Vec<u8>, id: EntityId) {
    out.push(b'"');
    out.extend_from_slice(&id.to_ascii());
    out.push(b'"');
}

/// Writes an array, with a function for each of its items.
pub(crate) fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// The largest length of a URL, method, address or user in X-Ray's document schema, in characters.
pub(crate) const SHORT: usize = 250;

/// Returns the longest start of `text` with at most `limit` characters.
#[inline]
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    // A text never has more characters than bytes.
    if text.len() <= limit { text } else { cut_long(text, limit) }
}

#[cold]
fn cut_long(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}

/// Returns the longest start of `text` with at most `limit` characters and at most `4 * limit` bytes in a document.
/// Control characters take six bytes each there.
pub(crate) fn bounded(text: &str, limit: usize) -> &str {
    let text = cut(text, limit);
    let mut bytes = 0;
    let overflows = |(_, character): &(usize, char)| {
        bytes += match character {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\0'..' ' => 6,
            other => other.len_utf8(),
        };
        bytes > 4 * limit
    };
    text.char_indices().find(overflows).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_six_decimals() {
        for (micros, text) in [
            (0, "0.000000"),
            (1, "0.000001"),
            (999_999_999_999_999, "999999999.999999"),
            (1_000_000_000_000_000, "1000000000.000000"),
            (1_795_399_776_428_000, "1795399776.428000"),
            (9_999_999_999_999_999, "9999999999.999999"),
            (10_000_000_000_000_000, "10000000000.000000"),
        ] {
            assert_eq!(written(|out| time(out, Timestamp::from_micros(micros))), text);
        }
    }

    #[test]
    fn integers_of_128_bits_are_strings_and_others_numbers() {
        use std::collections::BTreeMap;
        let text = |write: &dyn Fn(&mut Vec<u8>)| written(|out| write(out));
        assert_eq!(
            text(&|out| value(out, &(u128::MAX, -5_i128, u64::MAX, i64::MIN)).unwrap()),
            format!("[\"{}\",\"-5\",{},{}]", u128::MAX, u64::MAX, i64::MIN)
        );
        let map = BTreeMap::from([(1_u128, BTreeMap::from([(2_i128, 3_u128)])), (4, BTreeMap::new())]);
        assert_eq!(text(&|out| value(out, &map).unwrap()), r#"{"1":{"2":"3"},"4":{}}"#);
    }

    #[test]
    fn text_is_cut_on_character_boundaries() {
        for (text, limit, want) in
            [("abc", 3, "abc"), ("abc", 2, "ab"), ("äöü", 2, "äö"), ("äöü", 3, "äöü"), ("", 0, "")]
        {
            assert_eq!(cut(text, limit), want);
        }
    }

    proptest! {
        #[test]
        fn strings_and_numbers_are_parsed_back(text in "[ -~äöü\\x00-\\x1f\"\\\\]{0,40}", number: u64, integer: i64, decimal: f64) {
            prop_assert_eq!(is_plain(text.as_bytes()), text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\'));
            prop_assert_eq!(&serde_json::from_str::<String>(&written(|out| string(out, &text))).unwrap(), &text);
            prop_assert!(written(|out| string(out, bounded(&text, 20))).len() <= 4 * 20 + 2);
            prop_assert!(text.contains(char::is_control) || bounded(&text, 20) == cut(&text, 20));
            prop_assert_eq!(written(|out| unsigned(out, number)), number.to_string());
            prop_assert_eq!(written(|out| signed(out, integer)), integer.to_string());
            let time_of_number = Timestamp::from_micros(number % 20_000_000_000_000_000);
            prop_assert_eq!(written(|out| time(out, time_of_number)), time_of_number.to_string());
            if decimal.is_finite() {
                prop_assert_eq!(written(|out| float(out, decimal)).parse::<f64>().unwrap(), decimal);
            }
        }
    }
}
