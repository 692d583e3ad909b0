//! Orders of other systems: which of two updates is newer, and what a status in their words is in
//! ours.

use crate::{Timestamp, status::Status};
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};

/// The revision of an update: the other system's version of the order, the time of the change
/// there, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceRevision {
    /// Its version of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it changed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl SourceRevision {
    /// Whether this is newer than a stored revision: by version if both have one, else by time. If
    /// they have nothing in common, the later arrival is newer.
    pub fn is_newer_than(&self, stored: &Self) -> bool {
        match (self.version.zip(stored.version), self.at.zip(stored.at)) {
            (Some((this, stored)), _) => this > stored,
            (None, Some((this, stored))) => this > stored,
            (None, None) => true,
        }
    }

    /// The newest of both, in each part.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { version: self.version.max(other.version), at: self.at.max(other.at) }
    }
}

/// A status as another system reports it: a word of ours in upper or lower case, or a word of its
/// own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ReportedStatus {
    /// A status of ours.
    Known(Status),
    /// Another word.
    Other(String),
}

/// The text is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} characters, none of them a control character", ReportedStatus::MAX)]
pub struct InvalidStatus;

impl ReportedStatus {
    /// The longest word, in characters.
    pub const MAX: usize = 64;

    /// Our status and, if the word is not ours, `externalStatus`: then our status stays, and is
    /// paid for a new order.
    pub fn resolve(&self, current: Option<Status>) -> (Status, Option<String>) {
        match self {
            Self::Known(status) => (*status, None),
            Self::Other(word) => (current.unwrap_or(Status::Paid), Some(word.clone())),
        }
    }
}

impl TryFrom<String> for ReportedStatus {
    type Error = InvalidStatus;

    fn try_from(word: String) -> Result<Self, InvalidStatus> {
        if !(1..=Self::MAX).contains(&word.chars().count()) || word.chars().any(char::is_control) {
            return Err(InvalidStatus);
        }
        let in_upper_case = word.to_ascii_uppercase();
        let ours = Status::deserialize(IntoDeserializer::<value::Error>::into_deserializer(
            in_upper_case.as_str(),
        ));
        Ok(ours.map_or(Self::Other(word), Self::Known))
    }
}

impl schemars::JsonSchema for ReportedStatus {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReportedStatus".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": Self::MAX, "examples": ["PAID", "paid", "IN_TRANSIT"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(
        version: impl Into<Option<u64>>,
        seconds: impl Into<Option<i64>>,
    ) -> SourceRevision {
        let at = seconds.into().map(|seconds| Timestamp::from_millis(seconds * 1_000));
        SourceRevision { version: version.into(), at }
    }

    #[test]
    fn the_version_decides_and_where_there_is_none_the_time() {
        for (this, known, expected) in [
            (revision(2, None), revision(1, None), true),
            (revision(1, None), revision(1, None), false),
            (revision(1, 9), revision(2, 5), false),
            (revision(3, 1), revision(2, 5), true),
            (revision(None, 6), revision(2, 5), true),
            (revision(None, 5), revision(2, 5), false),
            (revision(None, 4), revision(None, 5), false),
            (revision(7, None), revision(None, 5), true),
        ] {
            assert_eq!(this.is_newer_than(&known), expected, "{this:?} after {known:?}");
        }
        let both = revision(None, 6).with(revision(2, 5));
        assert_eq!(both, revision(2, 6), "an older version stays known to be old");
    }

    #[test]
    fn an_unknown_word_is_kept_beside_our_status() {
        let reported = |word: &str| ReportedStatus::try_from(word.to_owned());
        assert_eq!(reported("cooking"), Ok(ReportedStatus::Known(Status::Cooking)));
        assert_eq!(reported("PICKED_UP"), Ok(ReportedStatus::Known(Status::PickedUp)));
        let other = reported("배송준비").unwrap();
        assert_eq!(other.resolve(None), (Status::Paid, Some("배송준비".into())));
        assert_eq!(
            other.resolve(Some(Status::Shipped)),
            (Status::Shipped, Some("배송준비".into()))
        );
        for bad in ["", "a\nb", &"x".repeat(65)] {
            assert_eq!(reported(bad), Err(InvalidStatus), "{bad:?}");
        }
    }
}
