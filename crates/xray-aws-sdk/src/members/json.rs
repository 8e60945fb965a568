//! Finds members of a JSON object. It skips other members without storing them.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;
use xray_core::serde::Deserialize;
use xray_core::serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Found, Member};
use crate::allowlist::{Parameter, Take};

/// Adds the wanted members to `found`. A body that is not valid JSON as a whole adds none.
pub(super) fn read<'a>(body: &'a [u8], wanted: &[&'a Parameter], found: &mut Found<'a>) {
    let mut json = serde_json::Deserializer::from_slice(body);
    if let Ok(members) = json.deserialize_map(Members { wanted })
        && json.end().is_ok()
    {
        found.extend(members);
    }
}

struct Members<'w, 'a> {
    wanted: &'w [&'a Parameter],
}

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = Found<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<Found<'a>, M::Error> {
        let mut found = Found::new();
        while let Some(Name(name)) = members.next_key()? {
            match self.wanted.iter().find(|parameter| parameter.member() == name) {
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
                Some(parameter) => {
                    if let Some(value) = members.next_value_seed(TakeSeed(parameter.take()))? {
                        found.push((parameter.field(), value));
                    }
                }
            }
        }
        Ok(found)
    }
}

/// The name of a member, borrowed from the body unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(name: D) -> Result<Name<'a>, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(name.into()))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(name.to_owned().into()))
            }
        }
        name.deserialize_str(Visit)
    }
}

/// Deserializes one value into what is recorded of it, or `None` if the value has the wrong type.
struct TakeSeed(Take);

impl<'de> DeserializeSeed<'de> for TakeSeed {
    type Value = Option<Member<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Option<Member<'de>>, D::Error> {
        match self.0 {
            Take::Value => <&RawValue>::deserialize(value).map(|json| Some(Member::Json(json))),
            Take::Count | Take::Keys => Ok(value.deserialize_any(self)?.map(Member::Computed)),
        }
    }
}

impl<'de> Visitor<'de> for TakeSeed {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Option<Value>, S::Error> {
        let mut count = 0_u64;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((self.0 == Take::Count).then(|| count.into()))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Option<Value>, M::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = members.next_entry::<String, _>()? {
            keys.push(key);
        }
        Ok((self.0 == Take::Keys).then(|| keys.into()))
    }

    /// `null` counts as an empty list.
    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok((self.0 == Take::Count).then(|| 0.into()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<Value>, E> {
        Ok(None)
    }
}
