//! Names of segments and subsegments, and the characters that X-Ray allows in them.

use std::borrow::Cow;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::diagnostics::{Cause, Diagnostics};
use crate::stats::Counters;

/// The largest length of a name, in characters.
const LIMIT: usize = 200;

/// The replacement of a name that has no allowed character.
const UNKNOWN: &str = "unknown";

/// Returns a name that X-Ray accepts: letters and numbers of any script, blanks and `_ . : / % & # = + - @`.
///
/// Other white space becomes a blank, and all other characters are removed. The name is cut to 200 characters. If nothing
/// is left, it becomes `unknown`. A name that needs no change is returned as it is, without an allocation.
///
/// The SDK applies this to all names of segments and subsegments. Changed names are logged, and counted in
/// [`Stats::names_repaired`](crate::stats::Stats::names_repaired).
///
/// ```
/// assert_eq!(xray_core::clean_name("GET /users/{id}"), "GET /users/id");
/// assert_eq!(xray_core::clean_name("{}"), "unknown");
/// ```
pub fn clean_name(name: &str) -> Cow<'_, str> {
    if is_clean(name) { Cow::Borrowed(name) } else { cleaned(name) }
}

/// Whether a name certainly needs no change, as nearly all names do not.
#[inline]
fn is_clean(name: &str) -> bool {
    // One pass, without a branch for each byte.
    let seen = name.bytes().fold(0, |seen, byte| seen | CLASSES[usize::from(byte)]);
    name.len() <= LIMIT && seen & (VISIBLE | OTHER) == VISIBLE
}

#[cold]
fn cleaned(name: &str) -> Cow<'_, str> {
    let cleaned: String = name.chars().filter_map(clean).take(LIMIT).collect();
    match cleaned.as_str() {
        blank if blank.trim_matches(' ').is_empty() => Cow::Borrowed(UNKNOWN),
        same if same == name => Cow::Borrowed(name),
        _ => Cow::Owned(cleaned),
    }
}

/// As [`clean_name`], for an entity that is recorded: a changed name is counted, and logged once.
#[inline]
pub(crate) fn repair_name<'a>(name: &'a str, counters: &Counters, diagnostics: &Diagnostics) -> Cow<'a, str> {
    if is_clean(name) { Cow::Borrowed(name) } else { repair(name, counters, diagnostics) }
}

#[cold]
fn repair<'a>(name: &'a str, counters: &Counters, diagnostics: &Diagnostics) -> Cow<'a, str> {
    let cleaned = cleaned(name);
    // A name that needs no change is the same text.
    if !std::ptr::eq(&*cleaned, name) {
        counters.names_repaired.add(1);
        let message = format_args!(
            "name {name:?} recorded as {cleaned:?}: X-Ray allows letters, numbers, blanks and _ . : / % & # = + - @, \
             and {LIMIT} characters"
        );
        diagnostics.warn_once(Cause::Name, name, message);
    }
    cleaned
}

fn clean(character: char) -> Option<char> {
    match character {
        _ if is_letter_or_number(character) || is_sign(character) => Some(character),
        _ if character.is_whitespace() => Some(' '),
        _ => None,
    }
}

/// Whether the character is a letter (`\p{L}`) or a number (`\p{N}`) for X-Ray. `char::is_alphanumeric` also accepts marks
/// and symbols.
fn is_letter_or_number(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric();
    }
    matches!(character.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
}

/// The classes of bytes: a character that is allowed in a name and is not a blank, a blank, and any other.
const VISIBLE: u8 = 1;
const BLANK: u8 = 2;
const OTHER: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let character = byte as u8 as char;
        if character == ' ' {
            classes[byte] = BLANK;
        } else if character.is_ascii_alphanumeric() || is_sign(character) {
            classes[byte] = VISIBLE;
        }
        byte += 1;
    }
    classes
};

const fn is_sign(character: char) -> bool {
    matches!(character, ' ' | '_' | '.' | ':' | '/' | '%' | '&' | '#' | '=' | '+' | '-' | '@')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cleaned_name_is_valid_and_stable(name: String) {
            let once = clean_name(&name).into_owned();
            prop_assert!((1..=LIMIT).contains(&once.chars().count()));
            prop_assert!(once.chars().all(|c| c.is_alphanumeric() || is_sign(c)));
            prop_assert_eq!(clean_name(&once), once.as_str());
        }
    }
}
