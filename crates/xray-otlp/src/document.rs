//! A typed view of a segment document, borrowed from its text.
//!
//! Embedded subsegments are parsed one at a time, so parsing does not recurse, however deep a document is.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A string of a document. Only strings with escapes are copied.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A segment or subsegment, alone or embedded.
#[derive(Debug, Deserialize)]
pub(crate) struct Entity<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    pub(crate) id: Text<'a>,
    pub(crate) trace_id: Option<Text<'a>>,
    pub(crate) parent_id: Option<Text<'a>>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) start_time: Time,
    pub(crate) end_time: Option<Time>,
    #[serde(default)]
    pub(crate) error: bool,
    #[serde(default)]
    pub(crate) fault: bool,
    #[serde(default)]
    pub(crate) throttle: bool,
    pub(crate) traced: Option<bool>,
    pub(crate) namespace: Option<Text<'a>>,
    pub(crate) user: Option<Text<'a>>,
    pub(crate) origin: Option<Text<'a>>,
    pub(crate) resource_arn: Option<Text<'a>>,
    pub(crate) service: Option<Service<'a>>,
    pub(crate) http: Option<Http<'a>>,
    #[serde(default)]
    pub(crate) aws: Members<'a>,
    pub(crate) sql: Option<Sql<'a>>,
    pub(crate) cause: Option<Cause<'a>>,
    #[serde(default)]
    pub(crate) annotations: Members<'a>,
    #[serde(default)]
    pub(crate) metadata: Members<'a>,
    #[serde(default)]
    pub(crate) precursor_ids: Vec<Text<'a>>,
    #[serde(default)]
    pub(crate) links: Vec<Link<'a>>,
    #[serde(default)]
    pub(crate) subsegments: Vec<&'a RawValue>,
}

impl<'a> Entity<'a> {
    pub(crate) fn read(json: &'a str) -> serde_json::Result<Entity<'a>> {
        serde_json::from_str(json)
    }

    /// Returns whether an entity that is not embedded is a segment.
    pub(crate) fn is_segment(&self) -> bool {
        self.kind.as_deref() != Some("subsegment")
    }
}

/// The `service` block of a segment.
#[derive(Debug, Deserialize)]
pub(crate) struct Service<'a> {
    #[serde(borrow)]
    pub(crate) version: Option<Text<'a>>,
    pub(crate) runtime: Option<Text<'a>>,
    pub(crate) runtime_version: Option<Text<'a>>,
}

/// The `http` block.
#[derive(Debug, Deserialize)]
pub(crate) struct Http<'a> {
    #[serde(borrow, default)]
    pub(crate) request: Request<'a>,
    #[serde(default)]
    pub(crate) response: Response,
}

/// The request of an `http` block.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    pub(crate) method: Option<Text<'a>>,
    pub(crate) url: Option<Text<'a>>,
    pub(crate) user_agent: Option<Text<'a>>,
    pub(crate) client_ip: Option<Text<'a>>,
    pub(crate) x_forwarded_for: Option<bool>,
    pub(crate) traced: Option<bool>,
}

/// The response of an `http` block.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: Option<i64>,
    pub(crate) content_length: Option<i64>,
}

/// The `sql` block.
#[derive(Debug, Deserialize)]
pub(crate) struct Sql<'a> {
    #[serde(borrow)]
    pub(crate) connection_string: Option<Text<'a>>,
    pub(crate) url: Option<Text<'a>>,
    pub(crate) sanitized_query: Option<Text<'a>>,
    pub(crate) database_type: Option<Text<'a>>,
    pub(crate) database_version: Option<Text<'a>>,
    pub(crate) driver_version: Option<Text<'a>>,
    pub(crate) user: Option<Text<'a>>,
    pub(crate) preparation: Option<Text<'a>>,
}

/// Why an entity failed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Cause<'a> {
    /// The ID of an exception that is recorded elsewhere in the trace.
    Reference(#[serde(borrow)] Text<'a>),
    Block(#[serde(borrow)] CauseBlock<'a>),
}

/// The exceptions of an entity and its working directory.
#[derive(Debug, Deserialize)]
pub(crate) struct CauseBlock<'a> {
    #[serde(borrow)]
    pub(crate) working_directory: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) paths: Vec<Text<'a>>,
    #[serde(default)]
    pub(crate) exceptions: Vec<Exception<'a>>,
}

/// One exception.
#[derive(Debug, Deserialize)]
pub(crate) struct Exception<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) message: Option<Text<'a>>,
    pub(crate) remote: Option<bool>,
    pub(crate) truncated: Option<i64>,
    pub(crate) skipped: Option<i64>,
    pub(crate) cause: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) stack: Vec<Frame<'a>>,
}

/// A stack frame.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame<'a> {
    #[serde(borrow)]
    pub(crate) path: Option<Text<'a>>,
    pub(crate) line: Option<i64>,
    pub(crate) label: Option<Text<'a>>,
}

/// A reference to an entity of another trace.
#[derive(Debug, Deserialize)]
pub(crate) struct Link<'a> {
    #[serde(borrow)]
    pub(crate) trace_id: Text<'a>,
    pub(crate) id: Text<'a>,
    #[serde(default)]
    pub(crate) attributes: Members<'a>,
}

/// The members of an object in their order, with values as JSON text.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(key, value)| (&**key, value.get()))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Returns a member that is a string.
    pub(crate) fn text(&self, key: &str) -> Option<Text<'a>> {
        serde_json::from_str(self.get(key)?).ok()
    }

    /// Returns the members of a member that is an object; no members for anything else.
    pub(crate) fn object(&self, key: &str) -> Members<'a> {
        self.get(key).and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default()
    }

    /// Returns the objects of a member that is a list of objects; an empty list for anything else.
    pub(crate) fn objects(&self, key: &str) -> Vec<Members<'a>> {
        self.get(key).and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Nanoseconds since 1970, parsed from decimal seconds without loss: a float has steps of 240 ns here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) u64);

impl Time {
    fn parse(seconds: &str) -> Option<Time> {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            let seconds: f64 = seconds.parse().ok()?;
            return (seconds >= 0.0).then_some(Time((seconds * 1e9) as u64));
        }
        let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = nanos.fold(0, |nanos, digit| nanos * 10 + u64::from(digit - b'0'));
        whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos).map(Time)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let number = <&RawValue>::deserialize(deserializer)?.get();
        Time::parse(number).ok_or_else(|| serde::de::Error::custom(format_args!("`{number}` is not a time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact() {
        for (text, want) in [
            ("1795399782.36", Some(1_795_399_782_360_000_000)),
            ("1795399782.123456789", Some(1_795_399_782_123_456_789)),
            ("1795399782.1234567899", Some(1_795_399_782_123_456_789)),
            ("1795399782", Some(1_795_399_782_000_000_000)),
            ("0", Some(0)),
            ("1.5e9", Some(1_500_000_000_000_000_000)),
            ("-1", None),
            ("99999999999999999999", None),
            ("\"1\"", None),
        ] {
            assert_eq!(Time::parse(text).map(|time| time.0), want, "{text}");
        }
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let json = r#"{"name":"shop","id":"1","start_time":1,"user":"a\u0062"}"#;
        let entity = Entity::read(json).unwrap();
        assert!(matches!(entity.name.0, Cow::Borrowed("shop")));
        assert_eq!(entity.user.as_deref(), Some("ab"));
    }

    #[test]
    fn members_keep_their_order_and_text() {
        let members: Members<'_> = serde_json::from_str(r#"{"b":[1, 2],"a":{"x":"y"},"t":"\n"}"#).unwrap();
        assert_eq!(Vec::from_iter(members.iter()), [("b", "[1, 2]"), ("a", r#"{"x":"y"}"#), ("t", r#""\n""#)]);
        assert_eq!(members.object("a").text("x").as_deref(), Some("y"));
        assert_eq!(members.text("t").as_deref(), Some("\n"));
        assert!(members.object("b").iter().next().is_none() && members.text("b").is_none());
    }
}
