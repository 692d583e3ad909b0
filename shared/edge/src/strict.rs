//! Strict JSON: every field is known and present once, an array is no object, and texts have only
//! characters of XML 1.0, because SQS and EventBridge refuse all others.
//!
//! Types derived by serde ignore unknown fields and accept an array for a struct, and `serde_json`
//! reports positions in place of fields. So the types are driven by a deserializer that knows its
//! path.

use domain::FieldError;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess,
        Unexpected, Visitor, value::StringDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, map, value::Number};
use std::{cell::RefCell, fmt, vec};

/// Whether a character is one of XML 1.0 (W3C, section 2.2). SQS and EventBridge refuse messages
/// with others.
pub(crate) fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The message for a text with another character.
pub(crate) const NOT_TEXT: &str = "must not contain control characters, U+FFFE or U+FFFF";

/// Parses JSON without duplicate fields.
fn parse(body: &[u8]) -> Result<Value, FieldError> {
    serde_json::from_slice(body).map(|Unique(value)| value).map_err(|error| {
        // A data error here is a duplicate field; any other error is a syntax error.
        let duplicate = error.to_string().split('`').nth(1).map(str::to_owned);
        let (field, message) = match duplicate {
            Some(field) if error.is_data() => (field, "is given more than once"),
            _ => ("body".to_owned(), "is not valid JSON"),
        };
        FieldError { field, message: message.to_owned() }
    })
}

/// Reads a body as JSON of this shape, or returns every error that was found.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Vec<FieldError>> {
    let value = parse(body).map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    check_texts(&value, &Path::Root, &mut errors);
    let unknown = RefCell::new(Vec::new());
    let read = T::deserialize(Strict { value, path: &Path::Root, unknown: &unknown });
    errors.extend(unknown.into_inner());
    match read {
        Ok(read) if errors.is_empty() => Ok(read),
        Ok(_) => Err(errors),
        Err(InvalidField { field, message, .. }) => {
            let field = field.unwrap_or_else(|| "body".into());
            errors.insert(0, FieldError { field, message });
            Err(errors)
        }
    }
}

fn check_texts(value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) if !text.chars().all(is_xml) => {
            errors.push(FieldError { field: path.to_string(), message: NOT_TEXT.into() });
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                check_texts(value, &Path::Index(path, index), errors);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                if name.chars().all(is_xml) {
                    check_texts(value, &Path::Field(path, name), errors);
                } else {
                    errors.push(FieldError { field: path.to_string(), message: NOT_TEXT.into() });
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A path in a body: `items[0].quantity`; the body itself is `body`.
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("body"),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(Path::Root, index) => write!(f, "[{index}]"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// An error, with its field once that is known.
#[derive(Debug)]
struct InvalidField {
    field: Option<String>,
    /// A field of the object at this path.
    member: Option<String>,
    message: String,
}

impl InvalidField {
    fn new(message: impl Into<String>) -> Self {
        Self { field: None, member: None, message: message.into() }
    }

    /// The same error at this path, unless its field is known.
    fn at(mut self, path: &Path<'_>) -> Self {
        if self.field.is_none() {
            self.field = Some(match &self.member {
                Some(member) => Path::Field(path, member).to_string(),
                None => path.to_string(),
            });
        }
        self
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidField {}

impl de::Error for InvalidField {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {}", plain(&expected.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {} within its range", plain(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self { member: Some(field.to_owned()), ..Self::new(UNKNOWN) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { member: Some(field.to_owned()), ..Self::new("is required") }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { member: Some(field.to_owned()), ..Self::new("is given more than once") }
    }
}

const UNKNOWN: &str = "is not a known field";

/// The expected type in words of JSON.
fn plain(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        "a boolean" => "true or false",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("enum ") || expected.starts_with("variant ") => "a string",
        _ => expected,
    }
}

struct Strict<'a> {
    value: Value,
    path: &'a Path<'a>,
    unknown: &'a RefCell<Vec<FieldError>>,
}

impl Strict<'_> {
    fn object<'de, V: Visitor<'de>>(
        &self,
        members: Map<String, Value>,
        visitor: V,
    ) -> Result<V::Value, InvalidField> {
        let mut members = Members {
            left: members.into_iter(),
            next: None,
            path: self.path,
            unknown: self.unknown,
        };
        visitor.visit_map(&mut members).map_err(|wrong| wrong.at(self.path))
    }

    fn array<'de, V: Visitor<'de>>(
        &self,
        values: Vec<Value>,
        visitor: V,
    ) -> Result<V::Value, InvalidField> {
        let left = values.into_iter().enumerate();
        visitor
            .visit_seq(Elements { left, path: self.path, unknown: self.unknown })
            .map_err(|wrong| wrong.at(self.path))
    }
}

impl<'de> Deserializer<'de> for Strict<'_> {
    type Error = InvalidField;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, InvalidField> {
        let path = self.path;
        match std::mem::take(&mut self.value) {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => visit_number(&number, visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(values) => self.array(values, visitor),
            Value::Object(members) => self.object(members, visitor),
        }
        .map_err(|wrong| wrong.at(path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidField> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, InvalidField> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidField> {
        if self.value.is_object() {
            self.deserialize_any(visitor)
        } else {
            Err(InvalidField::new("must be an object").at(self.path))
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidField> {
        let path = self.path;
        match self.value {
            Value::String(text) => {
                let variant: StringDeserializer<InvalidField> = text.into_deserializer();
                variant.deserialize_enum(name, variants, visitor)
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                Err(InvalidField::new(format!("must be one of {}", variants.join(", "))))
            }
        }
        .map_err(|wrong| wrong.at(path))
    }

    /// A type ignores exactly the fields that it does not have.
    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, InvalidField> {
        self.unknown
            .borrow_mut()
            .push(FieldError { field: self.path.to_string(), message: UNKNOWN.into() });
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

fn visit_number<'de, V: Visitor<'de>>(
    number: &Number,
    visitor: V,
) -> Result<V::Value, InvalidField> {
    if let Some(number) = number.as_u64() {
        visitor.visit_u64(number)
    } else if let Some(number) = number.as_i64() {
        visitor.visit_i64(number)
    } else {
        let number = number.as_f64().ok_or_else(|| InvalidField::new("is not a number"))?;
        visitor.visit_f64(number)
    }
}

struct Members<'a> {
    left: map::IntoIter,
    next: Option<(String, Value)>,
    path: &'a Path<'a>,
    unknown: &'a RefCell<Vec<FieldError>>,
}

impl<'de> MapAccess<'de> for &mut Members<'_> {
    type Error = InvalidField;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, InvalidField> {
        self.next = self.left.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        let name: StringDeserializer<InvalidField> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, InvalidField> {
        let (name, value) =
            self.next.take().ok_or_else(|| InvalidField::new("has a value without a name"))?;
        let path = Path::Field(self.path, &name);
        seed.deserialize(Strict { value, path: &path, unknown: self.unknown })
            .map_err(|wrong| wrong.at(&path))
    }
}

struct Elements<'a> {
    left: std::iter::Enumerate<vec::IntoIter<Value>>,
    path: &'a Path<'a>,
    unknown: &'a RefCell<Vec<FieldError>>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = InvalidField;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, InvalidField> {
        let Some((index, value)) = self.left.next() else { return Ok(None) };
        let path = Path::Index(self.path, index);
        let read = seed.deserialize(Strict { value, path: &path, unknown: self.unknown });
        read.map(Some).map_err(|wrong| wrong.at(&path))
    }
}

/// JSON without duplicate members.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

#[expect(clippy::disallowed_types, reason = "JSON has numbers with fractions")]
impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = elements.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut unique = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, _>()? {
            if unique.contains_key(&name) {
                return Err(de::Error::custom(format!("`{name}` twice")));
            }
            unique.insert(name, value);
        }
        Ok(unique.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Order {
        #[serde(alias = "userId")]
        customer_id: String,
        items: Vec<Item>,
        note: Option<String>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Item {
        quantity: u32,
    }

    fn fields(body: &str) -> Vec<(String, String)> {
        let errors = read::<Order>(body.as_bytes()).unwrap_err();
        errors.into_iter().map(|error| (error.field, error.message)).collect()
    }

    #[test]
    fn every_error_names_its_field() {
        for (body, field, message) in [
            (r#"{"customerId":"c"}"#, "items", "is required"),
            (r#"{"customerId":"c","items":[{}]}"#, "items[0].quantity", "is required"),
            (
                r#"{"customerId":"c","items":[{"quantity":"2"}]}"#,
                "items[0].quantity",
                "must be a whole number",
            ),
            (
                r#"{"customerId":"c","items":[{"quantity":-2}]}"#,
                "items[0].quantity",
                "must be a whole number within its range",
            ),
            (r#"{"customerId":"c","items":[[2]]}"#, "items[0]", "must be an object"),
            (r#"["c",[]]"#, "body", "must be an object"),
            (r#"{"customerId":"c","items":{}}"#, "items", "must be an array"),
            (r#"{"customerId":"c","items":[],"cupon":1}"#, "cupon", UNKNOWN),
            (r#"{"customerId":"c","items":[{"quantity":1,"prize":2}]}"#, "items[0].prize", UNKNOWN),
            (
                r#"{"customerId":"c","userId":"d","items":[]}"#,
                "customerId",
                "is given more than once",
            ),
            (
                r#"{"customerId":"c","customerId":"d","items":[]}"#,
                "customerId",
                "is given more than once",
            ),
            (r#"{"customerId":"c","items":[],"note":"a￿"}"#, "note", NOT_TEXT),
            ("{", "body", "is not valid JSON"),
            ("{} x", "body", "is not valid JSON"),
            ("", "body", "is not valid JSON"),
        ] {
            assert_eq!(fields(body), [(field.to_owned(), message.to_owned())], "{body}");
        }
        let all = fields(r#"{"a":1,"customerId":"c","items":[],"b":{"c":2}}"#);
        assert_eq!(all.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_known_is_read() {
        let order =
            read::<Order>(r#"{"userId":"c","items":[{"quantity":2}],"note":null}"#.as_bytes());
        assert_eq!(
            order,
            Ok(Order { customer_id: "c".into(), items: vec![Item { quantity: 2 }], note: None })
        );
    }
}
