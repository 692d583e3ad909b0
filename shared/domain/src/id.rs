//! Identifiers. Ours have a prefix that names their type, and are time-ordered unless they are
//! derived from other values. Those of other systems are stored unchanged.

use crate::{Timestamp, idempotency::IdempotencyKey, payment::PaymentKey};
use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use ulid::Ulid;

/// The maximum length of an identifier, in characters.
pub const MAX_ID_LENGTH: usize = 64;

/// The form of a valid identifier, as a regular expression.
pub const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

/// The text is not a valid identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAX_ID_LENGTH} characters, a letter or digit and then letters, digits, '.', '_' or '-'"
)]
pub struct InvalidId;

fn check(text: &str) -> Result<(), InvalidId> {
    let bytes = text.as_bytes();
    let first_is_valid = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    let all_are_valid =
        bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    if first_is_valid && all_are_valid && bytes.len() <= MAX_ID_LENGTH {
        Ok(())
    } else {
        Err(InvalidId)
    }
}

/// Reads an identifier from a string, or from the decimal digits of a whole number.
struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id: a string, or a whole number below 2^64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        check(text).map_err(E::custom)?;
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Accepts a text that matches [`ID_PATTERN`].
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text).map(|()| Self(text.to_owned()))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IdVisitor).map(Self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": ID_PATTERN })
            }
        }
    )*};
}

ids! {
    /// A customer: the subject of the caller's token.
    CustomerId
    /// A product, named by the merchant.
    ProductId
    /// An order: `ord_` and 26 characters.
    OrderId
    /// An entry of a customer's ledger: `ent_` and a ULID, so that entries sort by time.
    EntryId
    /// A charge of points by card: `chg_` and 26 characters.
    ChargeId
    /// A store whose products are delivered by a rider.
    StoreId
    /// A rider: the subject of the caller's token.
    RiderId
    /// A partner, another system that calls the API: the subject of its token.
    PartnerId
    /// A person who operates the platform: the subject of the token.
    OperatorId
    /// A marketing campaign, named by the marketing platform.
    CampaignId
    /// A coupon of one customer: `cpn_` and 26 characters.
    CouponId
    /// A source of coupons, named by the merchant.
    CouponSourceId
    /// Another system that takes orders, named by the merchant.
    SourceId
    /// A webhook, which receives events. The operator names it.
    WebhookName
    /// A delivery of an event to a webhook: `dlv_` and a ULID, so that deliveries sort by time.
    DeliveryId
    /// A sales channel: `chn_` and a ULID.
    ChannelId
    /// A collection run of a sales channel: `run_` and a ULID, so that runs sort by time.
    RunId
    /// An external order, named by the system that took it.
    ExternalOrderId
}

impl OrderId {
    /// The id of the order that a customer places under an idempotency key. The same customer and
    /// key always give the same id, so that the order row is also the record that the order was
    /// placed.
    ///
    /// The id is `ord_` and the first 16 bytes of SHA-256(customer id, a zero byte, key) in
    /// Crockford's base 32.
    pub fn of_key(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        Self(format!("ord_{}", Ulid::from_bytes(key.digest(customer.as_str()))))
    }

    /// The id of the order that a customer makes from the cart under an idempotency key. It differs
    /// from [`OrderId::of_key`], because a key belongs to one route.
    pub fn of_cart_key(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        Self(format!("ord_{}", Ulid::from_bytes(key.digest(&format!("{customer}/cart")))))
    }

    /// The id of an external order. It is always the same, whichever way the order is reported.
    pub fn of_external(source: &SourceId, external: &ExternalOrderId) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        // The input of an idempotency key contains a zero byte, and this one does not.
        digest.copy_from_slice(&Sha256::digest(format!("collected/{source}/{external}"))[..16]);
        Self(format!("ord_{}", Ulid::from_bytes(digest)))
    }

    /// The id of a new order.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("ord_{ulid}"))
    }
}

impl ChargeId {
    /// Whether the text is the id of a charge by card, and of nothing else.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("chg_")
    }

    /// The id of the charge that a customer makes under an idempotency key. It is always the same,
    /// so that a retry does not charge again.
    pub fn of_key(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        Self(format!("chg_{}", Ulid::from_bytes(key.digest(&format!("{customer}/charge")))))
    }

    /// The id of the charge by a payment of a customer, if the request has no idempotency key. It
    /// is always the same, so that a payment is charged once.
    pub fn of_payment(customer: &CustomerId, payment: &PaymentKey) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        // The input of an idempotency key contains a zero byte, and this one does not.
        digest.copy_from_slice(
            &Sha256::digest(format!("{customer}/charge/{}", payment.as_str()))[..16],
        );
        Self(format!("chg_{}", Ulid::from_bytes(digest)))
    }
}

impl CouponId {
    /// The id of a customer's coupon from a source. It is always the same, so that a customer
    /// cannot get two.
    pub fn of(source: &CouponSourceId, customer: &CustomerId) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(format!("{source} {customer}"))[..16]);
        Self(format!("cpn_{}", Ulid::from_bytes(digest)))
    }
}

impl DeliveryId {
    /// An id that sorts by the time in `ulid`.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("dlv_{ulid}"))
    }
}

impl ChannelId {
    /// The id of the channel that is registered under an idempotency key. It is always the same, so
    /// that a retry does not register a second channel.
    pub fn of_key(key: &IdempotencyKey) -> Self {
        Self(format!("chn_{}", Ulid::from_bytes(key.digest("channel"))))
    }

    /// The id of the channel of a marketplace account. It is always the same, so that an account
    /// has one channel, and a channel that is registered again recognises its orders.
    pub fn of_account(kind: &str, account: &str) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(format!("{kind}/{account}"))[..16]);
        Self(format!("chn_{}", Ulid::from_bytes(digest)))
    }

    /// The id of a new channel.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("chn_{ulid}"))
    }

    /// The channel as a source of orders.
    pub fn source(&self) -> SourceId {
        SourceId(self.0.clone())
    }
}

impl SourceId {
    /// The sales channel that this source is, if it is one.
    pub fn channel(&self) -> Option<ChannelId> {
        self.0.starts_with("chn_").then(|| ChannelId(self.0.clone()))
    }
}

impl RunId {
    /// The id of the collection run of a channel that is due at `at`. It is always the same,
    /// however often the run is requested.
    pub fn due(channel: &ChannelId, at: Timestamp) -> Self {
        use sha2::{Digest, Sha256};
        let mut random = [0; 16];
        random.copy_from_slice(&Sha256::digest(format!("{channel} {at}"))[..16]);
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        Self(format!("run_{}", Ulid::from_parts(millis, u128::from_be_bytes(random))))
    }

    /// The id of a new collection run. It sorts by the time in `ulid`.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("run_{ulid}"))
    }
}

impl CustomerId {
    /// A pseudonym for a buyer of a channel. Nothing is known of the buyer except that the id is
    /// always the same. Without the channel's `salt`, a buyer cannot be identified by trying
    /// candidates.
    pub fn of_buyer(salt: &str, buyer: &str) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(format!("{salt}/{buyer}"))[..16]);
        Self(format!("buyer_{}", Ulid::from_bytes(digest)))
    }
}

impl CampaignId {
    /// The campaign that a channel's inflow names: the inflow itself if it is a valid id, otherwise
    /// a digest of it, which is always the same.
    pub fn of_inflow(inflow: &str) -> Self {
        use sha2::{Digest, Sha256};
        let hashed = || {
            let mut digest = [0; 16];
            digest.copy_from_slice(&Sha256::digest(inflow)[..16]);
            Self(format!("inflow_{}", Ulid::from_bytes(digest)))
        };
        Self::parse(inflow).unwrap_or_else(|_| hashed())
    }
}

impl EntryId {
    /// The id of a new ledger entry. It sorts by the time in `ulid`.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("ent_{ulid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_starts_with_a_letter_or_digit_and_has_safe_characters_only() {
        for good in ["1", "a", "Z9._-", &"x".repeat(64)] {
            assert_eq!(ProductId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "-a", ".a", "_a", "a b", "a/b", "a#b", "가", "a\n", &"x".repeat(65)] {
            assert_eq!(ProductId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn the_same_customer_and_key_always_give_the_same_order_id() {
        let key = |text| IdempotencyKey::parse(text).unwrap();
        let customer = |text| CustomerId::parse(text).unwrap();
        let order = OrderId::of_key(&customer("c1"), &key("k1"));
        assert_eq!(order, OrderId::of_key(&customer("c1"), &key("k1")));
        assert_ne!(order, OrderId::of_key(&customer("c1"), &key("k2")));
        assert_ne!(order, OrderId::of_key(&customer("c2"), &key("k1")));
        assert_ne!(
            OrderId::of_key(&customer("a"), &key("bc")),
            OrderId::of_key(&customer("ab"), &key("c"))
        );
        assert!(OrderId::parse(order.as_str()).is_ok());
        // A promise to shops: they open the gateway's payment window under the id of an order that
        // is not placed yet.
        let promised = OrderId::of_key(&customer("minji"), &key("sample"));
        assert_eq!(promised.as_str(), "ord_4FR2QSET2NFZMXC275FVCH5RH2");
    }
}
