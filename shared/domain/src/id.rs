//! Identifiers: ours are time-ordered and carry a prefix that tells what they name; those of others are kept as given.

use crate::{Timestamp, idempotency::IdempotencyKey, payment::PaymentKey};
use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use ulid::Ulid;

/// The longest identifier, in characters.
pub const MAX_ID_LENGTH: usize = 64;

/// The characters that an identifier may have, as a regular expression.
pub const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_ID_LENGTH} characters, a letter or digit and then letters, digits, '.', '_' or '-'")]
pub struct InvalidId;

fn check(text: &str) -> Result<(), InvalidId> {
    let bytes = text.as_bytes();
    let starts_well = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    let goes_on_well = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    if starts_well && goes_on_well && bytes.len() <= MAX_ID_LENGTH { Ok(()) } else { Err(InvalidId) }
}

/// Reads an identifier from a string, or from a whole number by its decimal digits.
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
            /// Accepts a text of the form [`ID_PATTERN`].
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
    /// Points that a customer charges by card: `chg_` and 26 characters.
    ChargeId
    /// A store whose products are delivered by a rider.
    StoreId
    /// A rider: the subject of the caller's token.
    RiderId
    /// A marketing campaign, named by the marketing platform.
    CampaignId
    /// A coupon of one customer: `cpn_` and 26 characters.
    CouponId
    /// A source of coupons, named by the merchant.
    CouponSourceId
    /// Another system that makes orders, named by the merchant.
    SourceId
    /// A receiver of events, named by the operator.
    WebhookName
    /// A delivery of an event to a webhook: `dlv_` and a ULID, so that deliveries sort by time.
    DeliveryId
    /// A sales channel: `chn_` and a ULID.
    ChannelId
    /// A collection of a sales channel: `run_` and a ULID, so that they sort by time.
    RunId
    /// An order, named by the system that made it.
    ExternalOrderId
}

impl OrderId {
    /// The order that this customer places under this key: always the same, so that the order is its own record of
    /// having been placed. `ord_` and the first 16 bytes of SHA-256(customer id, a zero byte, key) in Crockford's base 32.
    pub fn of_key(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        Self(format!("ord_{}", Ulid::from_bytes(key.digest(customer.as_str()))))
    }

    /// The order that this customer makes of the cart under this key: another one than without the cart, for a key
    /// belongs to one route.
    pub fn of_cart_key(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        Self(format!("ord_{}", Ulid::from_bytes(key.digest(&format!("{customer}/cart")))))
    }

    /// The order that another system made: always the same, whoever tells of it.
    pub fn of_external(source: &SourceId, external: &ExternalOrderId) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        // No id has a slash: what is told here is no key of a customer.
        digest.copy_from_slice(&Sha256::digest(format!("collected/{source}/{external}"))[..16]);
        Self(format!("ord_{}", Ulid::from_bytes(digest)))
    }

    /// A new order's id.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("ord_{ulid}"))
    }
}

impl ChargeId {
    /// Whether a text names a charge by card, and nothing else.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("chg_")
    }

    /// The charge that this customer makes under this key: always the same, so that none is made twice.
    pub fn of_key(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        Self(format!("chg_{}", Ulid::from_bytes(key.digest(&format!("{customer}/charge")))))
    }

    /// The charge that this payment of a customer's pays, where there is no key for the request: a payment is charged once.
    pub fn of_payment(customer: &CustomerId, payment: &PaymentKey) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        // No id has a slash: this is the charge of no key.
        digest.copy_from_slice(&Sha256::digest(format!("{customer}/charge/{}", payment.as_str()))[..16]);
        Self(format!("chg_{}", Ulid::from_bytes(digest)))
    }
}

impl CouponId {
    /// The coupon of this customer from this source: always the same, so that nobody draws two.
    pub fn of(source: &CouponSourceId, customer: &CustomerId) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(format!("{source} {customer}"))[..16]);
        Self(format!("cpn_{}", Ulid::from_bytes(digest)))
    }
}

impl DeliveryId {
    /// A delivery's id; it sorts by the time in `ulid`.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("dlv_{ulid}"))
    }
}

impl ChannelId {
    /// The channel that is registered under this key: always the same, so that none is registered twice.
    pub fn of_key(key: &IdempotencyKey) -> Self {
        Self(format!("chn_{}", Ulid::from_bytes(key.digest("channel"))))
    }

    /// The channel that is an account with a marketplace: always the same, so that no two are, and that its orders are known
    /// again if it is registered anew.
    pub fn of_account(kind: &str, account: &str) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(format!("{kind}/{account}"))[..16]);
        Self(format!("chn_{}", Ulid::from_bytes(digest)))
    }

    /// A new channel's id.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("chn_{ulid}"))
    }

    /// The channel as a system that makes orders.
    pub fn source(&self) -> SourceId {
        SourceId(self.0.clone())
    }
}

impl SourceId {
    /// The sales channel that this system is, if it is one.
    pub fn channel(&self) -> Option<ChannelId> {
        self.0.starts_with("chn_").then(|| ChannelId(self.0.clone()))
    }
}

impl RunId {
    /// The collection of a channel that is due at a time: always the same, however often it is asked for.
    pub fn due(channel: &ChannelId, at: Timestamp) -> Self {
        use sha2::{Digest, Sha256};
        let mut random = [0; 16];
        random.copy_from_slice(&Sha256::digest(format!("{channel} {at}"))[..16]);
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        Self(format!("run_{}", Ulid::from_parts(millis, u128::from_be_bytes(random))))
    }

    /// A new collection's id; it sorts by the time in `ulid`.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("run_{ulid}"))
    }
}

impl CustomerId {
    /// Who buys through a channel: known by nothing else than that it is always the same. Without the channel's `salt`, nobody can
    /// try which buyer it is.
    pub fn of_buyer(salt: &str, buyer: &str) -> Self {
        use sha2::{Digest, Sha256};
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(format!("{salt}/{buyer}"))[..16]);
        Self(format!("buyer_{}", Ulid::from_bytes(digest)))
    }
}

impl CampaignId {
    /// The campaign that a channel's words for the way in are: the id that they are, else one that is always the same.
    pub fn of_inflow(words: &str) -> Self {
        use sha2::{Digest, Sha256};
        let of_others = || {
            let mut digest = [0; 16];
            digest.copy_from_slice(&Sha256::digest(words)[..16]);
            Self(format!("inflow_{}", Ulid::from_bytes(digest)))
        };
        Self::parse(words).unwrap_or_else(|_| of_others())
    }
}

impl EntryId {
    /// A new ledger entry's id; it sorts by the time in `ulid`.
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("ent_{ulid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_letter_or_digit_and_then_a_few_safe_characters() {
        for good in ["1", "a", "Z9._-", &"x".repeat(64)] {
            assert_eq!(ProductId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "-a", ".a", "_a", "a b", "a/b", "a#b", "가", "a\n", &"x".repeat(65)] {
            assert_eq!(ProductId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn the_same_customer_and_key_always_mean_the_same_order() {
        let key = |text| IdempotencyKey::parse(text).unwrap();
        let customer = |text| CustomerId::parse(text).unwrap();
        let order = OrderId::of_key(&customer("c1"), &key("k1"));
        assert_eq!(order, OrderId::of_key(&customer("c1"), &key("k1")));
        assert_ne!(order, OrderId::of_key(&customer("c1"), &key("k2")));
        assert_ne!(order, OrderId::of_key(&customer("c2"), &key("k1")));
        assert_ne!(OrderId::of_key(&customer("a"), &key("bc")), OrderId::of_key(&customer("ab"), &key("c")));
        assert!(OrderId::parse(order.as_str()).is_ok());
        // Promised to shops, which open the gateway's payment window under the id of an order that is yet to be placed.
        let promised = OrderId::of_key(&customer("minji"), &key("sample"));
        assert_eq!(promised.as_str(), "ord_4FR2QSET2NFZMXC275FVCH5RH2");
    }
}
