//! Payments: how an order is paid, and the attempts at a payment gateway that it may take.

use crate::{ChargeId, EntryId, InvalidId, OrderId, Timestamp, Won};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

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

/// What a card payment is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Payable {
    /// An order.
    Order(OrderId),
    /// Points that a customer charges.
    Charge(ChargeId),
}

impl Payable {
    /// The id by which the gateway knows it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Order(id) => id.as_str(),
            Self::Charge(id) => id.as_str(),
        }
    }
}

impl fmt::Display for Payable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Payable {
    type Error = InvalidId;

    fn try_from(id: String) -> Result<Self, InvalidId> {
        if ChargeId::is_one(&id) {
            ChargeId::parse(&id).map(Self::Charge)
        } else {
            OrderId::parse(&id).map(Self::Order)
        }
    }
}

impl From<Payable> for String {
    fn from(payable: Payable) -> Self {
        payable.as_str().to_owned()
    }
}

/// The status of an attempt.
///
/// `ASKED` → `PAID` | `DECLINED` | `LOST`; `LOST` → `PAID` | `DECLINED`; a charge that must not stand → `REFUNDING` →
/// `REFUNDED`. A customer may ask again for an attempt that is `LOST` or `DECLINED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptStatus {
    /// The gateway is asked; what it did is not known yet.
    Asked,
    /// The gateway knew of no charge when it was asked again. The order may be paid otherwise; the attempt is looked at once
    /// more when a late charge is no longer possible.
    Lost,
    /// It charged the card.
    Paid,
    /// It declined.
    Declined,
    /// The charge must be taken back.
    Refunding,
    /// The charge was taken back.
    Refunded,
}

/// After how long an asking counts as unanswered: whoever asked has had the answer by then, or never will.
const ANSWER_DUE: Duration = Duration::from_secs(30);

/// After how long nothing can be charged any more: the gateway lets an authorised payment lapse after ten minutes.
const LAPSED_AFTER: Duration = Duration::from_mins(15);

/// The first pause after a look at an attempt that found nothing out; it doubles with each.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);

/// The longest such pause.
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

/// Which first answer depends on an attempt: it says "not known yet" until the attempt ends, and is another one from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PendingReply {
    /// That to the request that placed the order.
    Placement,
    /// That to a request under an idempotency key.
    Key {
        /// The hash of the key within its scope.
        hash: String,
        /// What the request means.
        fingerprint: String,
    },
}

/// One attempt to charge a card. There is one for each payment key of an order or charge, because a key is charged once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// What is paid.
    pub payable: Payable,
    /// 1 for the first attempt, one more with each.
    pub attempt: u32,
    /// Its status.
    pub status: AttemptStatus,
    /// What the customer authorised.
    pub payment_key: PaymentKey,
    /// How much.
    pub amount: Won,
    /// How often the gateway was asked to charge it.
    pub asks: u32,
    /// When the gateway was last asked.
    pub asked_at: Timestamp,
    /// Whether the answer to one of the askings is unknown: a later refusal does not say that it charged nothing.
    #[serde(default)]
    pub has_lost_answer: bool,
    /// When somebody must look at it next; none once it has ended. The row is found by this, whatever became of messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// How often it was looked at in its present status without an end.
    #[serde(default)]
    pub looks: u32,
    /// The answer that depends on it, while it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<PendingReply>,
    /// When it took its status.
    pub updated_at: Timestamp,
    /// Why it was declined, in the gateway's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
}

impl Attempt {
    /// An attempt that is about to be made.
    pub fn asked(
        payable: Payable,
        attempt: u32,
        payment_key: PaymentKey,
        amount: Won,
        reply: Option<PendingReply>,
        now: Timestamp,
    ) -> Self {
        Self {
            payable,
            attempt,
            status: AttemptStatus::Asked,
            payment_key,
            amount,
            asks: 1,
            asked_at: now,
            has_lost_answer: false,
            due_at: Some(now.plus(ANSWER_DUE)),
            looks: 0,
            reply,
            updated_at: now,
            decline_code: None,
        }
    }

    /// The same attempt, about to be made again.
    #[must_use]
    pub fn asked_again(self, reply: Option<PendingReply>, now: Timestamp) -> Self {
        let asks = self.asks + 1;
        Self { asks, asked_at: now, decline_code: None, reply, ..self }.becomes(AttemptStatus::Asked, now)
    }

    /// The same attempt with another status.
    #[must_use]
    pub fn becomes(self, status: AttemptStatus, now: Timestamp) -> Self {
        let has_lost_answer = self.has_lost_answer || status == AttemptStatus::Lost;
        let due_at = match status {
            AttemptStatus::Asked => Some(now.plus(ANSWER_DUE)),
            AttemptStatus::Lost => Some(now.plus(LAPSED_AFTER)),
            // What was declined now may have been charged by an asking before, whose answer never came.
            AttemptStatus::Declined if has_lost_answer && self.status == AttemptStatus::Asked => {
                Some(now.plus(LAPSED_AFTER))
            }
            AttemptStatus::Refunding => Some(now),
            AttemptStatus::Paid | AttemptStatus::Declined | AttemptStatus::Refunded => None,
        };
        let reply = self.reply.filter(|_| status == AttemptStatus::Asked);
        Self { status, due_at, looks: 0, has_lost_answer, reply, updated_at: now, ..self }
    }

    /// The same attempt, at which nobody needs to look any more.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { due_at: None, ..self }
    }

    /// The same attempt after a look that found nothing out: due again after a pause that doubles.
    #[must_use]
    pub fn checked_without_result(self, now: Timestamp, at_least: Duration) -> Self {
        let doublings = self.looks.min(16);
        let pause = FIRST_BACKOFF.saturating_mul(1 << doublings).max(at_least).min(LONGEST_BACKOFF);
        Self { looks: self.looks + 1, due_at: Some(now.plus(pause)), ..self }
    }

    /// Names this asking to the gateway.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}-{}", self.payable, self.attempt, self.asks)
    }

    /// Names to the gateway this asking to take the charge back: one key for one asking, however often its message comes. A
    /// charge is taken back once, however often it is asked for.
    pub fn refund_key(&self) -> String {
        format!("{}-{}-refund-{}", self.payable, self.attempt, self.looks + 1)
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

    fn attempt(status: AttemptStatus) -> Attempt {
        let (payable, key) = (Payable::try_from("ord_1".to_owned()).unwrap(), "key".parse().unwrap());
        let asked = Attempt::asked(payable, 1, key, Won::ZERO, None, Timestamp::from_millis(0));
        if status == AttemptStatus::Asked { asked } else { asked.becomes(status, Timestamp::from_millis(0)) }
    }

    #[test]
    fn a_refusal_after_a_lost_answer_is_looked_at_once_more() {
        let now = Timestamp::from_millis(0);
        assert_eq!(attempt(AttemptStatus::Declined).due_at, None);
        let again = attempt(AttemptStatus::Lost).asked_again(None, now);
        let declined = again.becomes(AttemptStatus::Declined, now);
        assert_eq!(declined.due_at, Some(now.plus(LAPSED_AFTER)));
        let last_look = attempt(AttemptStatus::Lost).becomes(AttemptStatus::Declined, now);
        assert_eq!(last_look.due_at, None, "that was the last look");
    }

    #[test]
    fn every_asking_for_a_refund_has_a_key_of_its_own() {
        let mut refunding = attempt(AttemptStatus::Refunding);
        let mut keys = vec![refunding.refund_key()];
        for _ in 0..20 {
            refunding = refunding.checked_without_result(Timestamp::from_millis(0), Duration::ZERO);
            assert!(!keys.contains(&refunding.refund_key()), "{}", refunding.refund_key());
            keys.push(refunding.refund_key());
        }
        assert_eq!(refunding.due_at, Some(Timestamp::from_millis(0).plus(LONGEST_BACKOFF)));
    }
}
