//! Converts JSON to the types of the SDK's inputs.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;

/// A type that members of inputs have. `of` returns `None` if the value does not have this type.
pub(super) trait Member: Sized {
    fn of(value: &Value) -> Option<Self>;
}

impl Member for String {
    fn of(value: &Value) -> Option<String> {
        value.as_str().map(str::to_owned)
    }
}

impl Member for bool {
    fn of(value: &Value) -> Option<bool> {
        value.as_bool()
    }
}

impl Member for i32 {
    fn of(value: &Value) -> Option<i32> {
        value.as_i64()?.try_into().ok()
    }
}

impl Member for Blob {
    fn of(value: &Value) -> Option<Blob> {
        Some(Blob::new(value.as_str()?))
    }
}

impl Member for ByteStream {
    fn of(value: &Value) -> Option<ByteStream> {
        Some(ByteStream::from(value.as_str()?.as_bytes().to_vec()))
    }
}

impl<T: Member> Member for Vec<T> {
    fn of(value: &Value) -> Option<Vec<T>> {
        value.as_array()?.iter().map(T::of).collect()
    }
}

impl<T: Member> Member for HashMap<String, T> {
    fn of(value: &Value) -> Option<HashMap<String, T>> {
        value.as_object()?.iter().map(|(key, value)| Some((key.clone(), T::of(value)?))).collect()
    }
}

impl Member for AttributeValue {
    fn of(value: &Value) -> Option<AttributeValue> {
        let (kind, value) = value.as_object()?.iter().next()?;
        Some(match kind.as_str() {
            "S" => AttributeValue::S(Member::of(value)?),
            "N" => AttributeValue::N(Member::of(value)?),
            "BOOL" => AttributeValue::Bool(Member::of(value)?),
            "NULL" => AttributeValue::Null(Member::of(value)?),
            "SS" => AttributeValue::Ss(Member::of(value)?),
            "NS" => AttributeValue::Ns(Member::of(value)?),
            "L" => AttributeValue::L(Member::of(value)?),
            "M" => AttributeValue::M(Member::of(value)?),
            _ => return None,
        })
    }
}

impl Member for aws_sdk_sqs::types::MessageAttributeValue {
    fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let attribute = Self::builder().set_data_type(text("DataType")).set_string_value(text("StringValue"));
        attribute.build().ok()
    }
}

impl Member for aws_sdk_sqs::types::SendMessageBatchRequestEntry {
    fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Self::builder().set_id(text("Id")).set_message_body(text("MessageBody")).build().ok()
    }
}

/// Enumerations accept any string.
macro_rules! enumerations {
    ($($name:ty),* $(,)?) => {
        $(impl Member for $name {
            fn of(value: &Value) -> Option<Self> {
                value.as_str().map(Self::from)
            }
        })*
    };
}

enumerations!(
    aws_sdk_dynamodb::types::ReturnConsumedCapacity,
    aws_sdk_dynamodb::types::ReturnValue,
    aws_sdk_dynamodb::types::Select,
    aws_sdk_lambda::types::InvocationType,
    aws_sdk_lambda::types::LogType,
    aws_sdk_sqs::types::MessageSystemAttributeName,
    aws_sdk_sqs::types::QueueAttributeName,
);
