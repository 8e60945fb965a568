//! The values of annotations.

use std::borrow::Cow;

use crate::document::json;

/// The number of characters that a text annotation keeps: the limit of X-Ray's document schema.
const MAX_TEXT: usize = 1000;

/// The value of an annotation: a text, a boolean or a number.
///
/// [`annotate`](crate::Segment::annotate) converts its argument into one. Conversions exist from `str`, `String`,
/// `Cow<str>`, `bool`, all integers of up to 64 bits and floats, from references to them, and from an `Option` of them.
/// `None` records nothing.
///
/// Texts are cut to 1,000 characters. JSON has no infinity: a number that is not finite is written as a text (`NaN`,
/// `Infinity`, `-Infinity`).
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// let (count, coupon): (&u32, Option<&str>) = (&7, None);
/// segment.annotate("count", count).annotate("coupon", coupon);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop [count=7]\n");
/// ```
///
/// A type of your own can convert itself:
///
/// ```
/// use xray_core::AnnotationValue;
///
/// enum Tier {
///     Free,
///     Gold,
/// }
///
/// impl From<Tier> for AnnotationValue<'static> {
///     fn from(tier: Tier) -> Self {
///         AnnotationValue::from(match tier {
///             Tier::Free => "free",
///             Tier::Gold => "gold",
///         })
///     }
/// }
///
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// segment.annotate("tier", Tier::Gold);
/// # segment.close();
/// # let _ = Tier::Free;
/// # assert_eq!(traces.take().single().tree(), "shop [tier=gold]\n");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotationValue<'a>(Value<'a>);

#[derive(Clone, Debug, PartialEq)]
enum Value<'a> {
    Absent,
    Text(Cow<'a, str>),
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl AnnotationValue<'_> {
    pub(super) fn is_absent(&self) -> bool {
        self.0 == Value::Absent
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Value::Absent => json::raw(out, "null"),
            Value::Text(text) => json::string(out, json::cut(text, MAX_TEXT)),
            Value::Boolean(value) => json::boolean(out, *value),
            Value::Unsigned(number) => json::unsigned(out, *number),
            Value::Signed(number) => json::signed(out, *number),
            Value::Float(number) if number.is_finite() => json::float(out, *number),
            Value::Float(number) if number.is_nan() => json::string(out, "NaN"),
            Value::Float(number) => json::string(out, if *number > 0.0 { "Infinity" } else { "-Infinity" }),
        }
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $variant:expr),* $(,)?) => {
        $(impl<'a> From<$type> for AnnotationValue<'a> {
            fn from($value: $type) -> AnnotationValue<'a> {
                AnnotationValue($variant)
            }
        })*
    };
}

from! {
    &'a str => |value| Value::Text(Cow::Borrowed(value)),
    &'a &str => |value| Value::Text(Cow::Borrowed(value)),
    &'a String => |value| Value::Text(Cow::Borrowed(value)),
    &'a Cow<'_, str> => |value| Value::Text(Cow::Borrowed(value)),
    String => |value| Value::Text(Cow::Owned(value)),
    Cow<'a, str> => |value| Value::Text(value),
    bool => |value| Value::Boolean(value),
    u8 => |value| Value::Unsigned(value.into()),
    u16 => |value| Value::Unsigned(value.into()),
    u32 => |value| Value::Unsigned(value.into()),
    u64 => |value| Value::Unsigned(value),
    usize => |value| Value::Unsigned(value as u64),
    i8 => |value| Value::Signed(value.into()),
    i16 => |value| Value::Signed(value.into()),
    i32 => |value| Value::Signed(value.into()),
    i64 => |value| Value::Signed(value),
    isize => |value| Value::Signed(value as i64),
    f32 => |value| Value::Float(value.into()),
    f64 => |value| Value::Float(value),
}

impl<'a> AnnotationValue<'a> {
    fn from_option(value: Option<impl Into<AnnotationValue<'a>>>) -> AnnotationValue<'a> {
        value.map_or(AnnotationValue(Value::Absent), Into::into)
    }
}

/// Conversions from references to `Copy` values. Options are spelled out for each type: a blanket implementation for
/// `Option<T>` would apply to `Option<Option<T>>` and so on, and the compiler would recurse.
macro_rules! from_copied {
    ($($type:ty),*) => {
        $(impl<'a> From<&$type> for AnnotationValue<'a> {
            fn from(value: &$type) -> AnnotationValue<'a> {
                AnnotationValue::from(*value)
            }
        }

        impl<'a> From<Option<&$type>> for AnnotationValue<'a> {
            fn from(value: Option<&$type>) -> AnnotationValue<'a> {
                AnnotationValue::from_option(value.copied())
            }
        }

        impl<'a> From<&Option<$type>> for AnnotationValue<'a> {
            fn from(value: &Option<$type>) -> AnnotationValue<'a> {
                AnnotationValue::from_option(*value)
            }
        })*
    };
}
from_copied!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);

macro_rules! from_option {
    ($($type:ty),*) => {
        $(impl<'a> From<Option<$type>> for AnnotationValue<'a> {
            fn from(value: Option<$type>) -> AnnotationValue<'a> {
                AnnotationValue::from_option(value)
            }
        })*
    };
}
from_option!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);
from_option!(&'a str, &'a String, String, Cow<'a, str>, &'a Cow<'_, str>);

macro_rules! from_option_reference {
    ($($type:ty),*) => {
        $(impl<'a> From<&'a Option<$type>> for AnnotationValue<'a> {
            fn from(value: &'a Option<$type>) -> AnnotationValue<'a> {
                AnnotationValue::from_option(value.as_deref())
            }
        })*
    };
}
from_option_reference!(&str, String, Cow<'_, str>);

/// The bytes that are allowed in a key.
const USUAL: [bool; 256] = {
    let mut usual = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        usual[byte] = byte as u8 == b'_' || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    usual
};

/// The number of characters that a key keeps.
const MAX_KEY: usize = 500;

/// Returns the key as X-Ray accepts it: characters outside `[A-Za-z0-9_]` become `_`.
#[inline]
pub(crate) fn clean_key(key: &str) -> Cow<'_, str> {
    // One pass, without a branch for each byte.
    let is_clean = key.bytes().fold(true, |all, byte| all & USUAL[usize::from(byte)]);
    if is_clean && (1..=MAX_KEY).contains(&key.len()) { Cow::Borrowed(key) } else { cleaned_key(key) }
}

#[cold]
fn cleaned_key(key: &str) -> Cow<'_, str> {
    let allowed = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let cleaned: String = key.chars().map(|c| if allowed(c) { c } else { '_' }).take(MAX_KEY).collect();
    Cow::Owned(if cleaned.is_empty() { "_".to_owned() } else { cleaned })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json() {
        for (value, want) in [
            (AnnotationValue::from("a\"b"), r#""a\"b""#),
            (true.into(), "true"),
            (7u8.into(), "7"),
            (i64::MIN.into(), "-9223372036854775808"),
            (0.25.into(), "0.25"),
            (f64::NAN.into(), "\"NaN\""),
            (f64::NEG_INFINITY.into(), "\"-Infinity\""),
        ] {
            let mut out = vec![];
            value.write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn references_and_options_are_what_they_hold() {
        let (text, owned, cow) = ("a", "a".to_owned(), Cow::Borrowed("a"));
        for value in [
            AnnotationValue::from(&text),
            (&owned).into(),
            (&cow).into(),
            Some("a").into(),
            Some(&owned).into(),
            (&Some("a")).into(),
            (&Some(owned.clone())).into(),
        ] {
            assert_eq!(value, AnnotationValue::from("a"));
        }
        assert_eq!(AnnotationValue::from(&7_u16), AnnotationValue::from(7_u16));
        assert_eq!(AnnotationValue::from(Some(&true)), AnnotationValue::from(true));
        assert_eq!(AnnotationValue::from(&Some(0.5)), AnnotationValue::from(0.5));
        assert!(AnnotationValue::from(None::<u8>).is_absent() && AnnotationValue::from(&None::<String>).is_absent());
    }

    #[test]
    fn keys_are_repaired_not_refused() {
        for (key, want) in [("order_id", "order_id"), ("order.id", "order_id"), ("größe", "gr__e"), ("", "_")] {
            assert_eq!(clean_key(key), want);
        }
        assert_eq!(clean_key(&"k".repeat(501)).len(), 500);
    }
}
