//! Orders: what is asked for (an [`OrderRequest`]), what was agreed (an [`Order`]), and who did what to it and when.

use crate::{
    CampaignId, CouponId, CustomerId, EntryId, OrderId, ProductId, RiderId, StoreId, Timestamp, Won,
    basket::{Basket, Quantity, Wish},
    delivery::Delivery,
    money::AmountTooLarge,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// One product of an order, at the price that was agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Which product.
    pub product_id: ProductId,
    /// How many units.
    pub quantity: Quantity,
    /// The price of one unit when the order was placed.
    pub unit_price: Won,
    /// The price of all units.
    pub total_price: Won,
}

/// Where an order stands. One lifecycle for every kind of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Stock is held and payment is due (재고 확보).
    StockAllocated,
    /// Paid (주문완료).
    Paid,
    /// The store took it (수락).
    Accepted,
    /// The store is cooking (요리시작).
    Cooking,
    /// Ready for a rider (요리완료).
    Cooked,
    /// A rider has it (픽업).
    PickedUp,
    /// A carrier has it (발송).
    Shipped,
    /// The customer has it (배송확인).
    Completed,
    /// The customer called it off before cooking (취소).
    Cancelled,
    /// The store refused it (거절).
    Rejected,
    /// It was not paid in time (만료).
    Expired,
}

impl Status {
    /// Whether what was sold came back: the order no longer counts as a sale.
    pub fn returns_stock(self) -> bool {
        match self {
            Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp
            | Self::Shipped
            | Self::Completed => false,
        }
    }
}

/// Who did a step; written `customer:<id>`, `store:<id>`, `rider:<id>`, `operator` or `system`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The customer whose order it is.
    Customer(CustomerId),
    /// The store that makes it.
    Store(StoreId),
    /// The rider who brings it.
    Rider(RiderId),
    /// Somebody who runs the platform.
    Operator,
    /// The platform itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer:{id}"),
            Self::Store(id) => write!(f, "store:{id}"),
            Self::Rider(id) => write!(f, "rider:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// The text does not name an actor.
#[derive(Debug, thiserror::Error)]
#[error("must be customer:<id>, store:<id>, rider:<id>, operator or system")]
pub struct InvalidActor;

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        match text.split_once(':') {
            None if text == "operator" => Ok(Self::Operator),
            None if text == "system" => Ok(Self::System),
            Some(("customer", id)) => id.parse().map(Self::Customer).map_err(|_| InvalidActor),
            Some(("store", id)) => id.parse().map(Self::Store).map_err(|_| InvalidActor),
            Some(("rider", id)) => id.parse().map(Self::Rider).map_err(|_| InvalidActor),
            _ => Err(InvalidActor),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// One step of an order's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The status that the order had from then on.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: Actor,
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentMethod {
    /// From the customer's balance.
    Points,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// Not yet paid.
    Pending,
    /// Paid.
    Paid,
    /// Declined.
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
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// 1 when placed, one more with each change.
    pub version: u32,
    /// Where it stands.
    pub status: Status,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The store whose products it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// The campaign that brought the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// The lines' sum.
    pub original_amount: Won,
    /// What was taken off.
    pub discount_amount: Won,
    /// What is paid: original less discount.
    pub total_amount: Won,
    /// How it is paid.
    pub payment: Payment,
    /// The ledger entry that paid it.
    pub ledger_entry: EntryId,
    /// Where it goes, for an order of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Every step so far, the first first.
    pub timeline: Vec<Step>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a customer asks for, with everything that makes two requests mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// Whose order it is to be.
    pub customer_id: CustomerId,
    /// What is asked for.
    pub basket: Basket,
    /// The coupon that is to be used.
    pub coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    pub campaign_id: Option<CampaignId>,
    /// Where it goes.
    pub delivery: Option<Delivery>,
}

impl OrderRequest {
    /// A hash of what is asked for, whatever the order of its lines; the price a customer expects is a safeguard and
    /// not part of the meaning.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let Self { customer_id, basket, coupon_id, campaign_id, delivery } = self;
        let mut wishes: Vec<_> =
            basket.wishes().iter().map(|wish| format!("{}*{}", wish.product_id, wish.quantity.get())).collect();
        wishes.sort_unstable();
        let id = |id: Option<&str>| id.unwrap_or_default().to_owned();
        let (coupon, campaign) =
            (id(coupon_id.as_ref().map(CouponId::as_str)), id(campaign_id.as_ref().map(CampaignId::as_str)));
        let delivery =
            delivery.as_ref().map(|Delivery { address, lat, lng, phone }| format!("{lat},{lng},{phone},{address}"));
        // Kept as long as the order: this form stands, and another one gets another number. No id has a space, and the
        // address, which may have anything, comes last.
        let meaning =
            format!("1 {customer_id} {} {coupon} {campaign} {}", wishes.join(","), delivery.unwrap_or_default());
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(meaning)[..16]);
        format!("{:032x}", u128::from_be_bytes(digest))
    }

    /// The order that this becomes when it is paid with points at once, at `unit_prices` (one for each wish).
    pub fn paid_with_points(
        self,
        order_id: OrderId,
        ledger_entry: EntryId,
        unit_prices: &[Won],
        store_id: Option<StoreId>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Order, AmountTooLarge> {
        let line = |(wish, unit_price): (&Wish, &Won)| {
            let total_price = unit_price.times(wish.quantity.get())?;
            Ok(Line {
                product_id: wish.product_id.clone(),
                quantity: wish.quantity,
                unit_price: *unit_price,
                total_price,
            })
        };
        let lines: Vec<Line> = self.basket.wishes().iter().zip(unit_prices).map(line).collect::<Result<_, _>>()?;
        let original_amount = lines.iter().try_fold(Won::ZERO, |sum, line| sum.plus(line.total_price))?;
        Ok(Order {
            order_id,
            version: 1,
            status: Status::Paid,
            customer_id: self.customer_id,
            store_id,
            campaign_id: self.campaign_id,
            lines,
            original_amount,
            discount_amount: Won::ZERO,
            total_amount: original_amount,
            payment: Payment {
                method: PaymentMethod::Points,
                amount: original_amount,
                status: PaymentStatus::Paid,
                paid_at: Some(now),
            },
            ledger_entry,
            delivery: self.delivery,
            timeline: vec![Step { status: Status::Paid, at: now, by }],
            placed_at: now,
            updated_at: now,
        })
    }
}

impl Order {
    /// The order as it was when it was placed, whatever happened since: what its first answer said.
    pub fn as_placed(mut self) -> Self {
        self.timeline.truncate(1);
        self.version = 1;
        self.updated_at = self.placed_at;
        if let Some(first) = self.timeline.first() {
            self.status = first.status;
        }
        if self.status == Status::Paid {
            self.payment.status = PaymentStatus::Paid;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: &str) -> ProductId {
        ProductId::parse(id).unwrap()
    }

    #[test]
    fn the_fingerprint_tells_another_meaning_but_not_another_order_of_lines() {
        let request = |lines: &[(&str, i64)], campaign: Option<&str>| OrderRequest {
            customer_id: CustomerId::parse("c").unwrap(),
            basket: Basket::of(lines.iter().map(|(id, units)| (product(id), *units, None))).unwrap(),
            coupon_id: None,
            campaign_id: campaign.map(|id| CampaignId::parse(id).unwrap()),
            delivery: None,
        };
        let first = request(&[("a", 1), ("b", 2)], None).fingerprint();
        assert_eq!(first, request(&[("b", 1), ("a", 1), ("b", 1)], None).fingerprint());
        assert_ne!(first, request(&[("a", 2), ("b", 1)], None).fingerprint());
        assert_ne!(first, request(&[("a", 1), ("b", 2)], Some("spring")).fingerprint());
    }
}
