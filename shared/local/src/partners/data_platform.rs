//! The data platform: takes order statistics that are signed with our secret, within five minutes of now (Standard Webhooks).

use super::{Asked, Said, System};
use domain::Timestamp;
use partners::webhook::{self, Secret};
use serde_json::Value;

#[derive(Debug)]
pub(super) struct DataPlatform {
    secret: Option<Secret>,
}

impl DataPlatform {
    pub(super) fn new(secret: &str) -> Self {
        Self { secret: Secret::parse(secret).ok() }
    }

    fn is_signed(&self, asked: &Asked<'_>) -> bool {
        let Some(secret) = &self.secret else { return false };
        let Ok(seconds) = asked.header(webhook::TIMESTAMP_HEADER).parse::<i64>() else { return false };
        let is_recent = (asked.now.seconds() - seconds).abs() <= 300;
        let at = Timestamp::from_millis(seconds.saturating_mul(1000));
        let expected = secret.sign(asked.header(webhook::ID_HEADER), at, asked.body);
        let signatures = asked.header(webhook::SIGNATURE_HEADER);
        is_recent && expected.is_ok_and(|expected| signatures.split(' ').any(|one| one == expected))
    }
}

impl System for DataPlatform {
    fn answer(&self, asked: &Asked<'_>) -> Said {
        (if self.is_signed(asked) { 200 } else { 401 }, Value::Null)
    }

    fn decline(&self, _: &Asked<'_>) -> Said {
        (422, Value::Null)
    }
}
