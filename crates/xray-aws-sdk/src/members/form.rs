//! Finds members of a form, in the encoding of the query protocol of SNS and older services: `Name=value`, lists as
//! `List.member.1`, maps as `Map.entry.1.key`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Found, Member};
use crate::allowlist::{Parameter, Take};

pub(super) fn read<'a>(body: &'a [u8], wanted: &[&'a Parameter], found: &mut Found<'a>) {
    let Ok(body) = std::str::from_utf8(body) else { return };
    let pairs = || body.split('&').filter_map(|pair| pair.split_once('='));
    for parameter in wanted {
        let mut elements = pairs().filter_map(|(name, value)| {
            let (number, rest) = element(name.strip_prefix(parameter.member())?.strip_prefix('.')?)?;
            Some((number, rest, value))
        });
        let value = match parameter.take() {
            Take::Value => {
                pairs().find(|(name, _)| *name == parameter.member()).map(|(_, value)| scalar(decoded(value)))
            }
            Take::Count => {
                let numbers: BTreeSet<u32> = elements.map(|(number, ..)| number).collect();
                (!numbers.is_empty()).then(|| numbers.len().into())
            }
            Take::Keys => {
                let keys: Vec<_> = elements
                    .by_ref()
                    .filter(|(_, rest, _)| matches!(*rest, "key" | "Key" | "Name"))
                    .map(|(.., value)| decoded(value))
                    .collect();
                (!keys.is_empty()).then(|| keys.into())
            }
        };
        found.extend(value.map(|value| (parameter.field(), Member::Computed(value))));
    }
}

/// Splits the rest of a name, such as `member.2.Id`, `entry.1.key` or `3`, into the element's number and its member.
fn element(name: &str) -> Option<(u32, &str)> {
    let name = name.strip_prefix("member.").or_else(|| name.strip_prefix("entry.")).unwrap_or(name);
    let (number, rest) = name.split_once('.').unwrap_or((name, ""));
    Some((number.parse().ok()?, rest))
}

/// Converts a text to a number or boolean if it looks like one: the SDK captures strings by itself, so most members that
/// are left for the body are numbers and booleans.
fn scalar(text: String) -> Value {
    match (text.as_str(), text.parse::<i64>()) {
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        // `007` is not a number.
        (same, Ok(number)) if number.to_string() == same => number.into(),
        _ => text.into(),
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let escaped = || {
            let [high, low] = [0, 1].map(|at| rest.as_slice().get(at).map(|digit| char::from(*digit).to_digit(16)));
            u8::try_from(high?? * 16 + low??).ok()
        };
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match escaped() {
                Some(byte) => {
                    bytes.push(byte);
                    rest.nth(1);
                }
                None => bytes.push(b'%'),
            },
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_decoded_and_numbers_recognised() {
        for (text, want) in [
            ("a%20b+c", json!("a b c")),
            ("arn%3Aaws%3Asns%3A%C3%A4", json!("arn:aws:sns:ä")),
            ("7", json!(7)),
            ("-7", json!(-7)),
            ("007", json!("007")),
            ("+7", json!(" 7")),
            ("true", json!(true)),
            ("True", json!("True")),
            ("%", json!("%")),
            ("%4", json!("%4")),
            ("%zz%41", json!("%zzA")),
            ("%ff", json!("\u{fffd}")),
            ("", json!("")),
        ] {
            assert_eq!(scalar(decoded(text)), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_form_is_parsed_without_a_panic(body in "(A|B|=|&|\\.|member|entry|1|99999999999|key|%|4|é){0,24}") {
            let parameters = [Parameter::value("A"), Parameter::count("A"), Parameter::keys("B")];
            read(body.as_bytes(), &parameters.each_ref(), &mut Found::new());
        }
    }
}
