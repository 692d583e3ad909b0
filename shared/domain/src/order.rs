//! Orders: the agreed terms, who took the order, and its current state.

#![expect(
    clippy::disallowed_types,
    reason = "serde buffers a flattened field in a type that can hold floats"
)]

use crate::{
    CampaignId, CouponId, CustomerId, ExternalOrderId, OrderId, ProductId, Refusal, RiderId,
    SourceId, StoreId, Timestamp, Won,
    actor::Actor,
    basket::Quantity,
    channel::ChannelOrderState,
    delivery::{Delivery, Shipment},
    external::SourceRevision,
    payment::{Payment, PaymentMethod},
};
use serde::{Deserialize, Serialize};

pub use crate::status::{InvalidOrderStatus, State, Status};

/// One product of an order, at the agreed price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The ordered product.
    pub product_id: ProductId,
    /// The number of units.
    pub quantity: Quantity,
    /// The price of one unit when the order was placed.
    pub unit_price: Won,
    /// The price of all units.
    pub total_price: Won,
    /// The item as its sales channel reports it, for a channel order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelItem>,
}

/// An item of a channel order as the channel reports it. Each item is shipped and cancelled
/// separately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelItem {
    /// The item's id in the channel.
    pub item_id: String,
    /// The product's name in the channel.
    pub name: String,
    /// The item's status as the channel reports it.
    pub status: String,
    /// Units cancelled.
    pub cancelled: u32,
    /// Units on hold because their cancellation is requested.
    pub held: u32,
    /// Our product, if a mapping existed when the item first appeared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<ProductId>,
    /// The path on which the buyer reached the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inflow: Option<String>,
    /// Units ordered that our stock could not cover.
    pub shortfall: u32,
}

/// An order in its current state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order's id.
    pub order_id: OrderId,
    /// 1 for a new order. Increases by one with each change.
    pub version: u32,
    /// Who took the order, with its status and the data that belongs to it.
    #[serde(flatten)]
    pub origin: Origin,
    /// The customer who owns the order.
    pub customer_id: CustomerId,
    /// The store that sells the products. `None` for goods that a carrier ships.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// The campaign that brought the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// The ordered products.
    pub lines: Vec<Line>,
    /// The sum of all lines.
    pub original_amount: Won,
    /// The discount of the coupon.
    pub discount_amount: Won,
    /// The amount to pay: the original amount minus the discount.
    pub total_amount: Won,
    /// The coupon that gives the discount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon_id: Option<CouponId>,
    /// How the order is paid.
    pub payment: Payment,
    /// The payment deadline, until which stock is reserved. `None` if the order was paid when it
    /// was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
    /// The destination. An order of a store always has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// All statuses so far, oldest first.
    pub timeline: Vec<Step>,
    /// The last change of the order.
    pub last_change: Change,
    /// When the order was placed.
    pub placed_at: Timestamp,
    /// When the order last changed.
    pub updated_at: Timestamp,
}

/// Who took an order. The party that took it decides its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Origin {
    /// This shop: the state machine of [`crate::lifecycle`] moves the order.
    Own(State),
    /// Another system, which reports the state of the whole order.
    External(Box<ExternalOrigin>),
    /// A sales channel, from which the state of each item is collected.
    Channel(Box<ChannelOrigin>),
}

/// The origin of an external order, with the state that was last reported. Any combination can be
/// reported: a rider of an order that nobody has cooked, or a reason of one that is completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalOrigin {
    /// The system that took the order.
    pub source: SourceId,
    /// The order's id in that system.
    pub external_order_id: ExternalOrderId,
    /// The order's status.
    pub status: Status,
    /// The status as the system reports it, if it has no equivalent here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_status: Option<String>,
    /// The rider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rider_id: Option<RiderId>,
    /// The parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipment: Option<Shipment>,
    /// The reason for the cancellation or rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The newest revision reported.
    pub revision: SourceRevision,
    /// The time of the last update of the status alone. An older update of the whole order leaves
    /// the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_at: Option<Timestamp>,
}

/// The origin of a channel order. Its status follows from its items and claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelOrigin {
    /// The channel, as a source of orders.
    pub source: SourceId,
    /// The order's id in the channel.
    pub external_order_id: ExternalOrderId,
    /// The items and claims.
    pub order_state: ChannelOrderState,
}

/// A step of an order's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The new status.
    pub status: Status,
    /// When the status changed.
    pub at: Timestamp,
    /// Who changed it.
    pub by: Actor,
}

/// A change of an order: a new status, or a change that leaves the status unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Change {
    /// The gateway declined the payment. The order still waits for a payment.
    PaymentFailed,
    /// A payment arrived after the order had ended, and its refund has started.
    RefundStarted,
    /// The card payment of an ended order was refunded.
    Refunded,
    /// The external system that took the order updated something other than the status.
    Updated,
    /// The order has this new status.
    #[serde(untagged)]
    Status(Status),
}

impl Order {
    /// An order that another party took, before its first update: without lines, amounts and
    /// timeline.
    pub fn reported(
        order_id: OrderId,
        origin: Origin,
        customer_id: CustomerId,
        placed_at: Timestamp,
    ) -> Self {
        Self {
            order_id,
            version: 0,
            origin,
            customer_id,
            store_id: None,
            campaign_id: None,
            lines: Vec::new(),
            original_amount: Won::ZERO,
            discount_amount: Won::ZERO,
            total_amount: Won::ZERO,
            coupon_id: None,
            payment: Payment::due(PaymentMethod::External, Won::ZERO),
            pay_by: None,
            delivery: None,
            timeline: Vec::new(),
            last_change: Change::Updated,
            placed_at,
            updated_at: placed_at,
        }
    }

    /// The order's current status.
    pub fn status(&self) -> Status {
        match &self.origin {
            Origin::Own(state) => state.status(),
            Origin::External(external) => external.status,
            Origin::Channel(channel) => channel.order_state.status(),
        }
    }

    /// The origin of an external order. `None` for other orders.
    pub fn external(&self) -> Option<&ExternalOrigin> {
        match &self.origin {
            Origin::External(external) => Some(external),
            Origin::Own(_) | Origin::Channel(_) => None,
        }
    }

    /// The items and claims of a channel order. `None` for other orders.
    pub fn channel_state(&self) -> Option<&ChannelOrderState> {
        match &self.origin {
            Origin::Channel(channel) => Some(&channel.order_state),
            Origin::Own(_) | Origin::External(_) => None,
        }
    }

    /// The system or channel that took the order, and the order's id there. `None` for an own
    /// order.
    pub fn source(&self) -> Option<(&SourceId, &ExternalOrderId)> {
        match &self.origin {
            Origin::Own(_) => None,
            Origin::External(external) => Some((&external.source, &external.external_order_id)),
            Origin::Channel(channel) => Some((&channel.source, &channel.external_order_id)),
        }
    }

    /// The rider who is delivering or has delivered the order.
    pub fn rider_id(&self) -> Option<&RiderId> {
        match &self.origin {
            Origin::Own(state) => state.rider_id(),
            Origin::External(external) => external.rider_id.as_ref(),
            Origin::Channel(_) => None,
        }
    }

    /// Our rider who is delivering the order now.
    pub const fn rider_on_the_way(&self) -> Option<&RiderId> {
        match &self.origin {
            Origin::Own(State::PickedUp { rider_id }) => Some(rider_id),
            Origin::Own(_) | Origin::External(_) | Origin::Channel(_) => None,
        }
    }

    /// The parcel, if the order was shipped.
    pub fn shipment(&self) -> Option<&Shipment> {
        match &self.origin {
            Origin::Own(state) => state.shipment(),
            Origin::External(external) => external.shipment.as_ref(),
            Origin::Channel(channel) => channel.order_state.shipment(),
        }
    }

    /// The reason for the cancellation or rejection, in the words of its author.
    pub fn reason(&self) -> Option<&str> {
        match &self.origin {
            Origin::Own(state) => state.reason(),
            Origin::External(external) => external.reason.as_deref(),
            Origin::Channel(_) => None,
        }
    }
}

/// Checks the reason for a change, which has at most 200 characters.
pub fn checked_reason(reason: Option<String>) -> Result<Option<String>, Refusal> {
    const MAX_REASON: usize = 200;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return Err(Refusal::field("reason", format!("must be at most {MAX_REASON} characters")));
    }
    Ok(reason)
}
