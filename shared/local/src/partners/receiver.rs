//! Stubs of the systems that receive events: the data platform, TMS and TasOn.
//!
//! An event must be signed with the shared secret within five minutes of now (Standard Webhooks).
//! Another stub accepts everything, for trying out webhooks.

use super::{StubRequest, StubResponse, System};
use domain::Timestamp;
use partners::webhook::{self, InvalidSecret, Secret};
use serde_json::Value;

#[derive(Debug)]
pub(super) struct Receiver {
    /// The secret that signatures are checked with. `None`: signatures are not checked.
    secret: Option<Secret>,
}

impl Receiver {
    pub(super) fn checking(secret: &str) -> Result<Self, InvalidSecret> {
        Ok(Self { secret: Some(Secret::parse(secret)?) })
    }

    pub(super) fn taking_anything() -> Self {
        Self { secret: None }
    }

    fn processing_time(&self, request: &StubRequest<'_>) -> bool {
        let Some(secret) = &self.secret else { return true };
        let Ok(seconds) = request.header(webhook::TIMESTAMP_HEADER).parse::<i64>() else {
            return false;
        };
        let is_recent = (request.now.seconds() - seconds).abs() <= 300;
        let at = Timestamp::from_millis(seconds.saturating_mul(1000));
        let expected = secret.sign(request.header(webhook::ID_HEADER), at, request.body);
        let signatures = request.header(webhook::SIGNATURE_HEADER);
        is_recent && expected.is_ok_and(|expected| signatures.split(' ').any(|one| one == expected))
    }
}

impl System for Receiver {
    fn respond(&self, request: &StubRequest<'_>) -> StubResponse {
        (if self.processing_time(request) { 200 } else { 401 }, Value::Null)
    }

    fn decline(&self, _: &StubRequest<'_>) -> StubResponse {
        (422, Value::Null)
    }
}
