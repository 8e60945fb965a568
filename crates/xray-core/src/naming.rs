//! Names: what a segment is called, and which characters X-Ray takes in a name.

use std::borrow::Cow;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::diagnostics::{Cause, Diagnostics};
use crate::host_pattern;
use crate::recorder::diagnostics_of_process;
use crate::sampling::Wildcard;
use crate::stats::Counters;

/// Characters of a name that are kept.
const LIMIT: usize = 200;

/// What is left of a name that has no usable character.
const UNKNOWN: &str = "unknown";

/// The name as X-Ray takes it: letters and numbers of any script, blanks and `_ . : / % & # = + - @`. Other
/// white space becomes a blank, all else is removed, 200 characters are kept, and nothing becomes `unknown`.
///
/// ```
/// assert_eq!(xray_core::clean_name("GET /users/{id}"), "GET /users/id");
/// ```
pub fn clean_name(name: &str) -> Cow<'_, str> {
    let is_usual = |byte: u8| USUAL[usize::from(byte)];
    if name.len() <= LIMIT && !name.is_empty() && name.bytes().all(is_usual) && name.bytes().any(|byte| byte != b' ') {
        return Cow::Borrowed(name);
    }
    let cleaned: String = name.chars().filter_map(clean).take(LIMIT).collect();
    match cleaned.as_str() {
        blank if blank.trim_matches(' ').is_empty() => Cow::Borrowed(UNKNOWN),
        same if same == name => Cow::Borrowed(name),
        _ => Cow::Owned(cleaned),
    }
}

/// As [`clean_name`], for an entity that is recorded: a name that has to be changed is counted, and reported once.
pub(crate) fn repair_name<'a>(name: &'a str, counters: &Counters, diagnostics: &Diagnostics) -> Cow<'a, str> {
    let cleaned = clean_name(name);
    // What needs no change is the same text.
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

/// Whether X-Ray takes the character for a letter (`\p{L}`) or a number (`\p{N}`). `char::is_alphanumeric` also lets
/// marks and symbols pass.
fn is_letter_or_number(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric();
    }
    matches!(character.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
}

/// The ASCII characters that may be in a name.
const USUAL: [bool; 256] = {
    let mut usual = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        usual[byte] = (byte as u8).is_ascii_alphanumeric() || is_sign(byte as u8 as char);
        byte += 1;
    }
    usual
};

const fn is_sign(character: char) -> bool {
    matches!(character, ' ' | '_' | '.' | ':' | '/' | '%' | '&' | '#' | '=' | '+' | '-' | '@')
}

/// How a server's segments are named: always the same, or by the host that the client asked for.
///
/// `AWS_XRAY_TRACING_NAME` replaces the default name in both cases.
///
/// ```
/// use xray_core::Naming;
///
/// let fixed = Naming::from("shop");
/// let by_host = Naming::dynamic("shop").matching("*.example.com");
/// ```
#[derive(Clone, Debug)]
pub struct Naming {
    default: Box<str>,
    hosts: Hosts,
}

#[derive(Clone, Debug)]
enum Hosts {
    None,
    All,
    /// `never`: no host should match.
    Matching {
        pattern: Wildcard,
        never: bool,
    },
}

impl Naming {
    /// Every segment is called `name`.
    pub fn fixed(name: impl Into<String>) -> Naming {
        Naming { default: name.into().into(), hosts: Hosts::None }
    }

    /// A segment is called after the `Host` of its request, or `default` when there is none.
    ///
    /// Clients choose the host, and each name is a node of its own on the service map: limit the names by
    /// [`matching`](Naming::matching).
    pub fn dynamic(default: impl Into<String>) -> Naming {
        Naming { default: default.into().into(), hosts: Hosts::All }
    }

    /// Takes only hosts (port included) that match the pattern: `*` any run of characters, `?` exactly one,
    /// case ignored. An empty pattern takes all. One that no host can match, such as a regular expression or a url,
    /// is reported as an error.
    #[must_use]
    pub fn matching(mut self, pattern: &str) -> Naming {
        host_pattern::check(pattern, &diagnostics_of_process());
        self.hosts = match pattern {
            "" => Hosts::All,
            _ => Hosts::Matching { pattern: Wildcard::new(pattern), never: host_pattern::why_never(pattern).is_some() },
        };
        self
    }

    /// Reports a pattern that never matches to this recorder, which may not have been there when it was set.
    #[inline]
    pub(crate) fn check(&self, diagnostics: &Diagnostics) {
        if let Hosts::Matching { pattern, never: true } = &self.hosts {
            host_pattern::check(pattern.as_str(), diagnostics);
        }
    }

    /// The name for a request to `host`, before it is cleaned.
    pub(crate) fn resolve<'a>(&'a self, host: Option<&'a str>, environment: Option<&'a str>) -> &'a str {
        let host = host.filter(|host| match &self.hosts {
            Hosts::None => false,
            Hosts::All => !host.is_empty(),
            Hosts::Matching { pattern, .. } => !host.is_empty() && pattern.matches(host),
        });
        host.or(environment).unwrap_or(&self.default)
    }
}

impl From<&str> for Naming {
    fn from(name: &str) -> Naming {
        Naming::fixed(name)
    }
}

impl From<String> for Naming {
    fn from(name: String) -> Naming {
        Naming::fixed(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cleaned_name_is_acceptable_and_stays(name: String) {
            let once = clean_name(&name).into_owned();
            prop_assert!((1..=LIMIT).contains(&once.chars().count()));
            prop_assert!(once.chars().all(|c| c.is_alphanumeric() || is_sign(c)));
            prop_assert_eq!(clean_name(&once), once.as_str());
        }
    }
}
