//! Orders: what was agreed, and where it stands. What may happen to one is in [`crate::lifecycle`].

#![expect(clippy::disallowed_types, reason = "what serde makes of a flattened field could hold any number")]

use crate::{
    CampaignId, CouponId, CustomerId, OrderId, ProductId, Refusal, RiderId, StoreId, Timestamp, Won,
    actor::Actor,
    basket::Quantity,
    delivery::{Delivery, Handover, Shipment},
    payment::Payment,
};
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// 1 when placed, one more with each change.
    pub version: u32,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The store whose products it has; none for an order of goods that are shipped.
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
    /// The coupon that took it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon_id: Option<CouponId>,
    /// How it is paid.
    pub payment: Payment,
    /// Until when stock is held for it to be paid, if it was not paid when it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
    /// Where it goes, for an order of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Every status so far, the first first.
    pub timeline: Vec<Step>,
    /// What the last change was.
    pub last_change: Change,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
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

/// What a change of an order was: another status, or a turn of its payment alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Change {
    /// The gateway declined the payment; the order still waits for one.
    PaymentFailed,
    /// A payment came in after the order had ended, and goes back.
    RefundStarted,
    /// The card payment of an ended order is back.
    Refunded,
    /// The system that made the order told of something else than its status.
    Updated,
    /// The order took this status.
    #[serde(untagged)]
    Status(Status),
}

/// Where an order stands, with what only an order that stands there knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum State {
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
    PickedUp {
        /// Who.
        rider_id: RiderId,
    },
    /// A carrier has it (발송).
    Shipped(Shipment),
    /// The customer has it (배송확인).
    Completed(Handover),
    /// The customer called it off before cooking (취소).
    Cancelled {
        /// Why, in the customer's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The store refused it (거절).
    Rejected {
        /// Why, in the store's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It was not paid in time (만료).
    Expired,
}

/// Where an order stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "State says what each means")]
pub enum Status {
    StockAllocated,
    Paid,
    Accepted,
    Cooking,
    Cooked,
    PickedUp,
    Shipped,
    Completed,
    Cancelled,
    Rejected,
    Expired,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl State {
    /// The state in one word.
    pub const fn status(&self) -> Status {
        match self {
            Self::StockAllocated => Status::StockAllocated,
            Self::Paid => Status::Paid,
            Self::Accepted => Status::Accepted,
            Self::Cooking => Status::Cooking,
            Self::Cooked => Status::Cooked,
            Self::PickedUp { .. } => Status::PickedUp,
            Self::Shipped(_) => Status::Shipped,
            Self::Completed(_) => Status::Completed,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::Rejected { .. } => Status::Rejected,
            Self::Expired => Status::Expired,
        }
    }

    /// The rider who is on the way with the order.
    pub const fn rider_on_the_way(&self) -> Option<&RiderId> {
        if matches!(self, Self::PickedUp { .. }) { self.rider_id() } else { None }
    }

    /// The rider who has the order, or had it.
    pub const fn rider_id(&self) -> Option<&RiderId> {
        match self {
            Self::PickedUp { rider_id } | Self::Completed(Handover::Rider { rider_id }) => Some(rider_id),
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::Shipped(_)
            | Self::Completed(Handover::Carrier(_))
            | Self::Cancelled { .. }
            | Self::Rejected { .. }
            | Self::Expired => None,
        }
    }

    /// The parcel that the order is, or was, on its way.
    pub const fn shipment(&self) -> Option<&Shipment> {
        match self {
            Self::Shipped(shipment) | Self::Completed(Handover::Carrier(shipment)) => Some(shipment),
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp { .. }
            | Self::Completed(Handover::Rider { .. })
            | Self::Cancelled { .. }
            | Self::Rejected { .. }
            | Self::Expired => None,
        }
    }

    /// Why the order was called off, in the words of who did it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Cancelled { reason } | Self::Rejected { reason } => reason.as_deref(),
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp { .. }
            | Self::Shipped(_)
            | Self::Completed(_)
            | Self::Expired => None,
        }
    }
}

impl Status {
    /// Whether nothing more happens to the order; a charge may still go back.
    pub const fn is_end(self) -> bool {
        match self {
            Self::Completed | Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp
            | Self::Shipped => false,
        }
    }

    /// Whether the order was called off: what it sold came back, and it no longer counts as a sale.
    pub const fn is_aborted(self) -> bool {
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

impl Order {
    /// Where it stands, in one word.
    pub const fn status(&self) -> Status {
        self.state.status()
    }
}

/// The reason that somebody gives for a change: at most 200 characters.
pub fn checked_reason(reason: Option<String>) -> Result<Option<String>, Refusal> {
    const MAX_REASON: usize = 200;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return Err(Refusal::field("reason", format!("must be at most {MAX_REASON} characters")));
    }
    Ok(reason)
}
