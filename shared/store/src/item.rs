//! Rows and their keys, and conversions of their attributes.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Fault;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::HashMap;

/// A row: attribute values by name.
pub type Item = HashMap<String, AttributeValue>;

/// The primary key of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// The key as the attributes `pk` and `sk`.
    pub fn item(&self) -> Item {
        Item::from([("pk".into(), text(&self.pk)), ("sk".into(), text(&self.sk))])
    }
}

/// A string attribute.
pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number attribute.
pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Serialises `value` as the row at `key`.
pub(crate) fn row(key: &Key, value: &impl Serialize) -> Result<Item, Fault> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(Fault::broken)?;
    item.extend(key.item());
    Ok(item)
}

/// Deserialises a row. Attributes that `T` does not have are ignored.
pub(crate) fn read<T: DeserializeOwned>(item: Item) -> Result<T, Fault> {
    serde_dynamo::from_item(item).map_err(Fault::broken)
}

/// Reads an attribute as an integer. Any other value is a fault.
pub(crate) fn whole(item: &Item, name: &str) -> Result<i64, Fault> {
    item.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Fault::broken(format!("attribute {name} is not a whole number")))
}

/// Reads an attribute as a string. Any other value is a fault.
pub(crate) fn string<'a>(item: &'a Item, name: &str) -> Result<&'a str, Fault> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| Fault::broken(format!("attribute {name} is not text")))
}
