//! Payments of orders, and the attempts to charge a card at the payment gateway.

use crate::{ChargeId, EntryId, InvalidId, OrderId, Timestamp, Won};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// How long stock is reserved for an unpaid order.
pub const PAYMENT_WINDOW: Duration = Duration::from_mins(15);

/// The maximum number of charge requests to the gateway for one order. More of them indicate that
/// somebody is testing cards.
pub const MAX_ATTEMPTS: u32 = 20;

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentMethod {
    /// From the customer's balance of points.
    Points,
    /// By card, through the payment gateway.
    Card,
    /// In the external system that took the order.
    External,
}

/// The status of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// Not yet paid.
    Pending,
    /// Paid.
    Paid,
    /// The last attempt was declined. Another attempt is possible while the order waits for
    /// payment.
    Failed,
    /// The refund has started.
    Refunding,
    /// Refunded.
    Refunded,
}

/// The payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The payment method.
    pub method: PaymentMethod,
    /// The amount to pay.
    pub amount: Won,
    /// The status of the payment.
    pub status: PaymentStatus,
    /// When the order was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// The ledger entry that paid the order, if it was paid with points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger_entry: Option<EntryId>,
    /// The ledger entry that refunded the points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_entry: Option<EntryId>,
    /// The attempt that paid the order, if it was paid by card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

impl Payment {
    /// A payment that is not made yet.
    pub const fn due(method: PaymentMethod, amount: Won) -> Self {
        let status = PaymentStatus::Pending;
        Self {
            method,
            amount,
            status,
            paid_at: None,
            ledger_entry: None,
            refund_entry: None,
            attempt: None,
        }
    }
}

/// The gateway's id of a payment that the customer has authorised (결제 키): 1 to 200 letters, digits,
/// `.`, `_`, `-`, `=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PaymentKey(String);

/// The text is not a valid payment key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} letters, digits, '.', '_', '-' or '='", PaymentKey::MAX)]
pub struct InvalidPaymentKey;

impl PaymentKey {
    /// The maximum length of a key, in characters.
    pub const MAX: usize = 200;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PaymentKey {
    type Err = InvalidPaymentKey;

    fn from_str(text: &str) -> Result<Self, InvalidPaymentKey> {
        let is_valid =
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-=".contains(&byte));
        // A key is a segment of the gateway's URL paths. A segment of dots only would lead to
        // another path.
        let is_only_dots = text.bytes().all(|byte| byte == b'.');
        if is_valid && !is_only_dots && text.len() <= Self::MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPaymentKey)
        }
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

/// What a card payment pays for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Payable {
    /// An order.
    Order(OrderId),
    /// A customer's charge of points.
    Charge(ChargeId),
}

impl Payable {
    /// The id under which the gateway knows it.
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
/// `ASKED` → `PAID` | `DECLINED` | `LOST`; `LOST` → `PAID` | `DECLINED`; a charge that must be
/// reversed → `REFUNDING` → `REFUNDED`. A customer may repeat an attempt that is `LOST` or
/// `DECLINED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptStatus {
    /// The charge was requested from the gateway. The result is not known yet.
    Asked,
    /// The response was lost, and the gateway then reported no charge. The order can be paid by
    /// another attempt. This attempt is checked once more when a late charge is no longer possible.
    Lost,
    /// The gateway charged the card.
    Paid,
    /// The gateway declined.
    Declined,
    /// The charge must be refunded.
    Refunding,
    /// The charge was refunded.
    Refunded,
}

/// The time after which a charge request counts as unanswered. By then the caller has the response,
/// or will never get it.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The time after which no late charge is possible. The gateway lets an authorised payment expire
/// after ten minutes.
const LAPSED_AFTER: Duration = Duration::from_mins(15);

/// The backoff after the first check of an attempt without a result. It doubles with each check.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);

/// The longest backoff.
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

/// The first response that depends on an attempt. It is "not known yet" until the attempt ends, and
/// is replaced then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PendingReply {
    /// The response to the request that placed the order.
    Placement,
    /// The response to a request under an idempotency key.
    Key {
        /// The hash of the key within its scope.
        hash: String,
        /// The fingerprint of the request.
        fingerprint: String,
    },
}

/// An attempt to charge a card. An order or a charge of points has one attempt for each payment
/// key, because a key is charged once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The order or charge of points that is paid.
    pub payable: Payable,
    /// 1 for the first attempt. Increases by one with each attempt.
    pub attempt: u32,
    /// The attempt's status.
    pub status: AttemptStatus,
    /// The payment that the customer authorised.
    pub payment_key: PaymentKey,
    /// The amount to charge.
    pub amount: Won,
    /// The number of charge requests to the gateway for this attempt.
    pub charge_requests: u32,
    /// When the charge was last requested.
    pub requested_at: Timestamp,
    /// Whether the response to one of the charge requests was lost. A later decline is then no
    /// proof that nothing was charged.
    #[serde(default)]
    pub has_lost_answer: bool,
    /// When the attempt must be checked next. `None` once it has ended. The row is found by this
    /// attribute, so a lost message does no harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// The number of checks without a result since the attempt got its present status.
    #[serde(default)]
    pub checks: u32,
    /// The first response that depends on the attempt, while its status is `ASKED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<PendingReply>,
    /// When the attempt got its status.
    pub updated_at: Timestamp,
    /// The gateway's code for the reason, if it declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
}

impl Attempt {
    /// A new attempt, to be stored before its charge is requested.
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
            charge_requests: 1,
            requested_at: now,
            has_lost_answer: false,
            due_at: Some(now.plus(RESPONSE_TIMEOUT)),
            checks: 0,
            reply,
            updated_at: now,
            decline_code: None,
        }
    }

    /// The same attempt, to be stored before its charge is requested again.
    #[must_use]
    pub fn requested_again(self, reply: Option<PendingReply>, now: Timestamp) -> Self {
        let charge_requests = self.charge_requests + 1;
        Self { charge_requests, requested_at: now, decline_code: None, reply, ..self }
            .becomes(AttemptStatus::Asked, now)
    }

    /// The same attempt with another status, and the due time that follows from it.
    #[must_use]
    pub fn becomes(self, status: AttemptStatus, now: Timestamp) -> Self {
        let has_lost_answer = self.has_lost_answer || status == AttemptStatus::Lost;
        let due_at = match status {
            AttemptStatus::Asked => Some(now.plus(RESPONSE_TIMEOUT)),
            AttemptStatus::Lost => Some(now.plus(LAPSED_AFTER)),
            // An earlier charge request whose response was lost may have charged the card.
            AttemptStatus::Declined if has_lost_answer && self.status == AttemptStatus::Asked => {
                Some(now.plus(LAPSED_AFTER))
            }
            AttemptStatus::Refunding => Some(now),
            AttemptStatus::Paid | AttemptStatus::Declined | AttemptStatus::Refunded => None,
        };
        let reply = self.reply.filter(|_| status == AttemptStatus::Asked);
        Self { status, due_at, checks: 0, has_lost_answer, reply, updated_at: now, ..self }
    }

    /// The same attempt, which needs no further check.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { due_at: None, ..self }
    }

    /// The same attempt after a check without a result. It is due again after a backoff, which
    /// doubles with each check, of at least `at_least` and at most 15 minutes.
    #[must_use]
    pub fn checked_without_result(self, now: Timestamp, at_least: Duration) -> Self {
        let doublings = self.checks.min(16);
        let backoff =
            FIRST_BACKOFF.saturating_mul(1 << doublings).max(at_least).min(LONGEST_BACKOFF);
        Self { checks: self.checks + 1, due_at: Some(now.plus(backoff)), ..self }
    }

    /// The gateway's idempotency key for this charge request.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}-{}", self.payable, self.attempt, self.charge_requests)
    }

    /// The gateway's idempotency key for this refund request. A request has one key, however often
    /// its message is delivered. A charge is refunded once, however often the refund is requested.
    pub fn refund_key(&self) -> String {
        format!("{}-{}-refund-{}", self.payable, self.attempt, self.checks + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_key_is_safe_as_a_path_segment() {
        for good in [
            "a",
            "tgen_20240101abc-XYZ",
            "5zJ4xY7m0kODnyRpQWGrN2xqGlNvLrKwv1M9ENjbeoPaZdL6=",
            &"k".repeat(200),
        ] {
            assert_eq!(good.parse::<PaymentKey>().map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "a/b", "a b", "a?b", "키", "a%2e", &"k".repeat(201)] {
            assert_eq!(bad.parse::<PaymentKey>(), Err(InvalidPaymentKey), "{bad:?}");
        }
    }

    fn attempt(status: AttemptStatus) -> Attempt {
        let (payable, key) =
            (Payable::try_from("ord_1".to_owned()).unwrap(), "key".parse().unwrap());
        let asked = Attempt::asked(payable, 1, key, Won::ZERO, None, Timestamp::from_millis(0));
        if status == AttemptStatus::Asked {
            asked
        } else {
            asked.becomes(status, Timestamp::from_millis(0))
        }
    }

    #[test]
    fn a_decline_after_a_lost_response_is_checked_once_more() {
        let now = Timestamp::from_millis(0);
        assert_eq!(attempt(AttemptStatus::Declined).due_at, None);
        let again = attempt(AttemptStatus::Lost).requested_again(None, now);
        let declined = again.becomes(AttemptStatus::Declined, now);
        assert_eq!(declined.due_at, Some(now.plus(LAPSED_AFTER)));
        let last_check = attempt(AttemptStatus::Lost).becomes(AttemptStatus::Declined, now);
        assert_eq!(last_check.due_at, None, "that was the last check");
    }

    #[test]
    fn every_refund_request_has_its_own_key() {
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
