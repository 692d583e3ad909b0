//! Payments: how an order is paid, and the attempts at a payment gateway that it may take.

use crate::{EntryId, OrderId, Timestamp, Won};
use serde::{Deserialize, Serialize};
use std::{str::FromStr, time::Duration};

/// How long stock is held for an order that is not yet paid.
pub const PAYMENT_WINDOW: Duration = Duration::from_mins(15);

/// The most attempts at the gateway for one order: beyond it, somebody is trying out cards.
pub const MAX_ATTEMPTS: u32 = 20;

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentMethod {
    /// From the customer's balance.
    Points,
    /// By card, through the payment gateway.
    Card,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// Not yet paid.
    Pending,
    /// Paid.
    Paid,
    /// The last attempt was declined; another may be made while the order waits.
    Failed,
    /// On its way back.
    Refunding,
    /// Given back.
    Refunded,
}

/// The payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// How.
    pub method: PaymentMethod,
    /// How much.
    pub amount: Won,
    /// Where it stands.
    pub status: PaymentStatus,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// The ledger entry that paid it, if it was paid with points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger_entry: Option<EntryId>,
    /// The ledger entry that gave the points back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_entry: Option<EntryId>,
    /// The attempt at the gateway that paid it, if it was paid by card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

impl Payment {
    /// A payment that is still to be made.
    pub const fn due(method: PaymentMethod, amount: Won) -> Self {
        let status = PaymentStatus::Pending;
        Self { method, amount, status, paid_at: None, ledger_entry: None, refund_entry: None, attempt: None }
    }
}

/// The gateway's name for a payment that the customer has authorised (결제 키): 1 to 200 letters, digits, `.`, `_`, `-`, `=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PaymentKey(String);

/// The text is not a payment key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} letters, digits, '.', '_', '-' or '='", PaymentKey::MAX)]
pub struct InvalidPaymentKey;

impl PaymentKey {
    /// The longest key, in characters.
    pub const MAX: usize = 200;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PaymentKey {
    type Err = InvalidPaymentKey;

    fn from_str(text: &str) -> Result<Self, InvalidPaymentKey> {
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-=".contains(&byte));
        // A key is a part of the gateway's paths, where dots alone would lead elsewhere.
        let leads_away = text.bytes().all(|byte| byte == b'.');
        if fits && !leads_away && text.len() <= Self::MAX { Ok(Self(text.to_owned())) } else { Err(InvalidPaymentKey) }
    }
}

impl TryFrom<String> for PaymentKey {
    type Error = InvalidPaymentKey;

    fn try_from(text: String) -> Result<Self, InvalidPaymentKey> {
        text.parse()
    }
}

impl From<PaymentKey> for String {
    fn from(key: PaymentKey) -> Self {
        key.0
    }
}

impl schemars::JsonSchema for PaymentKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PaymentKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": Self::MAX, "pattern": "^[A-Za-z0-9._=-]+$" })
    }
}

/// Where an attempt stands.
///
/// `ASKED` → `PAID` | `DECLINED` | `LOST`; `LOST` → `PAID` | `DECLINED`; when it charged and the order is not to be paid
/// by it after all, → `REFUNDING` → `REFUNDED`. The customer may ask for one that is `LOST` or `DECLINED` again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptStatus {
    /// The gateway is asked; what it did is not known yet.
    Asked,
    /// The gateway knew of no charge when it was asked again. The order may be paid otherwise; whether the charge came
    /// in late after all is looked at once more, when that can no longer change.
    Lost,
    /// It charged the card.
    Paid,
    /// It did not, and will not.
    Declined,
    /// The charge must be taken back.
    Refunding,
    /// The charge was taken back.
    Refunded,
}

impl AttemptStatus {
    /// What is left to do, and after how long: nothing once the attempt has ended.
    pub const fn due_after(self) -> Option<Duration> {
        match self {
            // By then, whoever asked has had the answer or never will.
            Self::Asked => Some(Duration::from_secs(30)),
            // The gateway lets an authorised payment lapse after ten minutes.
            Self::Lost => Some(Duration::from_mins(15)),
            Self::Refunding => Some(Duration::ZERO),
            Self::Paid | Self::Declined | Self::Refunded => None,
        }
    }
}

/// One attempt to pay an order at the payment gateway: there is one for each payment key, for a key is charged once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The order.
    pub order_id: OrderId,
    /// 1 for the order's first attempt, one more with each.
    pub attempt: u32,
    /// Where it stands.
    pub status: AttemptStatus,
    /// What the customer authorised.
    pub payment_key: PaymentKey,
    /// How much.
    pub amount: Won,
    /// How often the gateway was asked to charge it.
    pub asks: u32,
    /// When the gateway was last asked.
    pub asked_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Why it was declined, in the gateway's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
}

impl Attempt {
    /// An attempt that is about to be made.
    pub fn asked(order_id: OrderId, attempt: u32, payment_key: PaymentKey, amount: Won, now: Timestamp) -> Self {
        let status = AttemptStatus::Asked;
        let (asks, asked_at, updated_at, decline_code) = (1, now, now, None);
        Self { order_id, attempt, status, payment_key, amount, asks, asked_at, updated_at, decline_code }
    }

    /// The same attempt, about to be made again.
    #[must_use]
    pub fn asked_again(self, now: Timestamp) -> Self {
        let asks = self.asks + 1;
        Self { asks, asked_at: now, decline_code: None, ..self }.now_is(AttemptStatus::Asked, now)
    }

    /// The same attempt, standing elsewhere.
    #[must_use]
    pub fn now_is(self, status: AttemptStatus, now: Timestamp) -> Self {
        Self { status, updated_at: now, ..self }
    }

    /// Names this asking to the gateway.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}-{}", self.order_id, self.attempt, self.asks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_key_is_a_harmless_part_of_a_path() {
        for good in ["a", "tgen_20240101abc-XYZ", "5zJ4xY7m0kODnyRpQWGrN2xqGlNvLrKwv1M9ENjbeoPaZdL6=", &"k".repeat(200)]
        {
            assert_eq!(good.parse::<PaymentKey>().map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "a/b", "a b", "a?b", "키", "a%2e", &"k".repeat(201)] {
            assert_eq!(bad.parse::<PaymentKey>(), Err(InvalidPaymentKey), "{bad:?}");
        }
    }
}
