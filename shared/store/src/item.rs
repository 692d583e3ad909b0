//! Rows and their attributes.

use crate::keys::Key;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::Fault;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::HashMap;

/// A row.
pub type Item = HashMap<String, AttributeValue>;

/// A text attribute.
pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number attribute.
pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The row that holds `value` under `key`.
pub(crate) fn row(key: &Key, value: &impl Serialize) -> Result<Item, Fault> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(Fault::broken)?;
    item.extend(key.item());
    Ok(item)
}

/// What a row holds; attributes that `T` does not have are left aside.
pub(crate) fn read<T: DeserializeOwned>(item: Item) -> Result<T, Fault> {
    serde_dynamo::from_item(item).map_err(Fault::broken)
}

/// An attribute that must be a whole number.
pub(crate) fn whole(item: &Item, name: &str) -> Result<i64, Fault> {
    item.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Fault::broken(format!("attribute {name} is not a whole number")))
}

/// An attribute that must be text.
pub(crate) fn string<'a>(item: &'a Item, name: &str) -> Result<&'a str, Fault> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| Fault::broken(format!("attribute {name} is not text")))
}
