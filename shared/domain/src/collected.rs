//! Orders that another system made and tells us of: which telling is the newer one.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

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
}
