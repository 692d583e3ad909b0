//! Orders that another system made and tells us of: which telling is the newer one, and what a status in its words is in ours.

use crate::{Timestamp, order::Status};
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};

/// How new a telling is: by the other system's version of the order, by its time, or by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Edition {
    /// Its version of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it changed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl Edition {
    /// Whether this says more than what is known: by version where both have one, else by time. Where there is nothing to
    /// compare, what comes later is the newer.
    pub fn is_newer_than(&self, known: &Self) -> bool {
        match (self.version.zip(known.version), self.at.zip(known.at)) {
            (Some((this, known)), _) => this > known,
            (None, Some((this, known))) => this > known,
            (None, None) => true,
        }
    }

    /// What is known once this is known too.
    #[must_use]
    pub fn with(self, known: Self) -> Self {
        Self { version: self.version.max(known.version), at: self.at.max(known.at) }
    }
}

/// A status as another system tells it: a word of ours in upper or lower case, or a word of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ToldStatus {
    /// A status of ours.
    Ours(Status),
    /// Another word.
    Theirs(String),
}

/// The text is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} characters, none of them a control character", ToldStatus::MAX)]
pub struct InvalidStatus;

impl ToldStatus {
    /// The longest word, in characters.
    pub const MAX: usize = 64;

    /// The status in our words, and theirs beside it where it is not ours: then ours stays, which is paid if nothing was known.
    pub fn beside(&self, known: Option<Status>) -> (Status, Option<String>) {
        match self {
            Self::Ours(status) => (*status, None),
            Self::Theirs(word) => (known.unwrap_or(Status::Paid), Some(word.clone())),
        }
    }
}

impl TryFrom<String> for ToldStatus {
    type Error = InvalidStatus;

    fn try_from(word: String) -> Result<Self, InvalidStatus> {
        if !(1..=Self::MAX).contains(&word.chars().count()) || word.chars().any(char::is_control) {
            return Err(InvalidStatus);
        }
        let in_upper_case = word.to_ascii_uppercase();
        let ours = Status::deserialize(IntoDeserializer::<value::Error>::into_deserializer(in_upper_case.as_str()));
        Ok(ours.map_or(Self::Theirs(word), Self::Ours))
    }
}

impl schemars::JsonSchema for ToldStatus {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ToldStatus".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": Self::MAX, "examples": ["PAID", "paid", "IN_TRANSIT"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edition(version: impl Into<Option<u64>>, seconds: impl Into<Option<i64>>) -> Edition {
        let at = seconds.into().map(|seconds| Timestamp::from_millis(seconds * 1_000));
        Edition { version: version.into(), at }
    }

    #[test]
    fn the_version_decides_and_where_there_is_none_the_time() {
        for (this, known, expected) in [
            (edition(2, None), edition(1, None), true),
            (edition(1, None), edition(1, None), false),
            (edition(1, 9), edition(2, 5), false),
            (edition(3, 1), edition(2, 5), true),
            (edition(None, 6), edition(2, 5), true),
            (edition(None, 5), edition(2, 5), false),
            (edition(None, 4), edition(None, 5), false),
            (edition(7, None), edition(None, 5), true),
        ] {
            assert_eq!(this.is_newer_than(&known), expected, "{this:?} after {known:?}");
        }
        let both = edition(None, 6).with(edition(2, 5));
        assert_eq!(both, edition(2, 6), "an older version stays known to be old");
    }

    #[test]
    fn a_word_of_another_system_stands_beside_a_status_of_ours() {
        let told = |word: &str| ToldStatus::try_from(word.to_owned());
        assert_eq!(told("cooking"), Ok(ToldStatus::Ours(Status::Cooking)));
        assert_eq!(told("PICKED_UP"), Ok(ToldStatus::Ours(Status::PickedUp)));
        let theirs = told("배송준비").unwrap();
        assert_eq!(theirs.beside(None), (Status::Paid, Some("배송준비".into())));
        assert_eq!(theirs.beside(Some(Status::Shipped)), (Status::Shipped, Some("배송준비".into())));
        for bad in ["", "a\nb", &"x".repeat(65)] {
            assert_eq!(told(bad), Err(InvalidStatus), "{bad:?}");
        }
    }
}
