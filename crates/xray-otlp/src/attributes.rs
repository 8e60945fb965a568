//! Attributes of spans, events and resources.

use crate::document::Text;
use crate::proto::{AnyValue, ArrayValue, KeyValue, Value};

/// A list of attributes in insertion order. Adding an absent value does nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// Adds an attribute. The caller guarantees that the key is new.
    pub(crate) fn add(&mut self, key: &str, value: impl IntoValue) {
        if let Some(value) = value.into_value() {
            let value = Some(AnyValue { value: Some(value) });
            self.0.push(KeyValue { key: key.to_owned(), value });
        }
    }

    /// Adds an attribute, or replaces the one with the same key, since keys from users may collide with any other.
    pub(crate) fn set(&mut self, key: &str, value: impl IntoValue) {
        let Some(value) = value.into_value() else { return };
        let value = Some(AnyValue { value: Some(value) });
        match self.0.iter_mut().find(|attribute| attribute.key == key) {
            Some(attribute) => attribute.value = value,
            None => self.0.push(KeyValue { key: key.to_owned(), value }),
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|attribute| attribute.key == key)
    }

    pub(crate) fn into_inner(self) -> Vec<KeyValue> {
        self.0
    }
}

/// A type that converts into the value of an attribute.
pub(crate) trait IntoValue {
    fn into_value(self) -> Option<Value>;
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Option<Value> {
        self.and_then(IntoValue::into_value)
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Option<Value> {
        Some(Value::Text(self.to_owned()))
    }
}

impl IntoValue for String {
    fn into_value(self) -> Option<Value> {
        Some(Value::Text(self))
    }
}

impl IntoValue for &Text<'_> {
    fn into_value(self) -> Option<Value> {
        (**self).into_value()
    }
}

impl IntoValue for Text<'_> {
    fn into_value(self) -> Option<Value> {
        (*self).into_value()
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Option<Value> {
        Some(Value::Bool(self))
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Option<Value> {
        Some(Value::Int(self))
    }
}

/// Converts a list of strings. An empty list has no value.
impl<T: AsRef<str>> IntoValue for &[T] {
    fn into_value(self) -> Option<Value> {
        let value = |text: &T| AnyValue { value: Some(Value::Text(text.as_ref().to_owned())) };
        (!self.is_empty()).then(|| Value::Array(ArrayValue { values: self.iter().map(value).collect() }))
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

/// The JSON text of a value. Strings, numbers, booleans and lists of strings become values of their type; everything
/// else becomes a string that contains the JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(pub(crate) &'a str);

impl IntoValue for Json<'_> {
    fn into_value(self) -> Option<Value> {
        let Json(json) = self;
        match json.as_bytes().first()? {
            b'"' => serde_json::from_str::<Text<'_>>(json).ok()?.into_value(),
            b't' => Some(Value::Bool(true)),
            b'f' => Some(Value::Bool(false)),
            b'n' => None,
            b'[' => match serde_json::from_str::<Vec<Text<'_>>>(json) {
                Ok(list) => list.as_slice().into_value(),
                Err(_) => json.into_value(),
            },
            b'{' => json.into_value(),
            _ => json.parse().map(Value::Int).or_else(|_| json.parse().map(Value::Double)).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_a_value_of_its_type() {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        for (json, want) in [
            ("true", Some(Value::Bool(true))),
            ("false", Some(Value::Bool(false))),
            ("null", None),
            ("-7", Some(Value::Int(-7))),
            ("1.5", Some(Value::Double(1.5))),
            ("1e3", Some(Value::Double(1000.0))),
            ("18446744073709551615", Some(Value::Double(18_446_744_073_709_551_615.0))),
            (r#""a\nb""#, text("a\nb")),
            (r#"["a"]"#, ["a"].as_slice().into_value()),
            ("[]", None),
            ("[1,2]", text("[1,2]")),
            (r#"{"a":1}"#, text(r#"{"a":1}"#)),
        ] {
            assert_eq!(Json(json).into_value(), want, "{json}");
        }
    }

    #[test]
    fn setting_a_key_again_replaces_its_value() {
        let mut attributes = Attributes::default();
        attributes.add("a", 1);
        attributes.set("a", "b");
        attributes.set("c", true);
        attributes.set("d", None::<bool>);
        assert!(attributes.has("a") && attributes.has("c") && !attributes.has("d"));
        assert_eq!(attributes.into_inner()[0].value.clone().unwrap().value, Some(Value::Text("b".into())));
    }
}
