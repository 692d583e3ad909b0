//! The order as clients see it: in API responses and in every event.

use domain::{
    CampaignId, CouponId, CustomerId, ExternalOrderId, OrderId, ProductId, RiderId, SourceId,
    StoreId, Timestamp, Won,
    basket::Quantity,
    delivery::{Delivery, Shipment},
    order::{self, Status},
    payment::{PaymentMethod, PaymentStatus},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order in its current state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order's id.
    pub order_id: OrderId,
    /// 1 when the order is placed, incremented by each change.
    pub version: u32,
    /// The order's status.
    pub status: Status,
    /// The status as the external system reports it, if it has no equivalent here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_status: Option<String>,
    /// The customer who placed the order.
    pub customer_id: CustomerId,
    /// The store that sells the products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// The rider who delivers the order, or delivered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rider_id: Option<RiderId>,
    /// The external system that took the order. Absent for orders placed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// The order's id in that system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_order_id: Option<ExternalOrderId>,
    /// The campaign that the order is attributed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// The items ordered: one for each product, or for a channel order one for each item of the
    /// channel.
    pub items: Vec<Item>,
    /// The sum of the items' total prices.
    pub original_amount: Won,
    /// The discount on the sum.
    pub discount_amount: Won,
    /// The amount to pay: original amount less discount.
    pub total_amount: Won,
    /// The coupon used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon_id: Option<CouponId>,
    /// The order's payment.
    pub payment: OrderPayment,
    /// The payment deadline, while the payment is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
    /// The destination, if the order has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The parcel, for a shipped order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment: Option<Shipment>,
    /// The reason for the cancellation or rejection, as its author gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The status history, oldest first.
    pub timeline: Vec<Step>,
    /// The time of placement.
    pub placed_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl Order {
    /// The order without the data that tells who receives it, and where.
    #[must_use]
    pub fn without_personal_data(self) -> Self {
        Self { delivery: None, ..self }
    }
}

/// One item of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The product's id.
    pub product_id: ProductId,
    /// Units ordered.
    #[schemars(with = "u32", range(min = 1, max = 9999))]
    pub quantity: Quantity,
    /// The price of one unit at the time of placement.
    pub unit_price: Won,
    /// The price of all units.
    pub total_price: Won,
    /// The item as its sales channel reports it, for a channel order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelItem>,
}

/// An item of a channel order as the channel reports it. Each item is shipped and cancelled
/// separately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelItem {
    /// The item's id in the channel.
    pub item_id: String,
    /// The product's name in the channel.
    pub name: String,
    /// The item's status as the channel reports it, also if it has no equivalent here.
    pub status: String,
    /// Units cancelled. They are not part of `quantity`, unless the whole order is cancelled.
    pub cancelled: u32,
    /// Units on hold because their cancellation is requested: they must not be shipped. They are
    /// not part of `quantity` either, unless the order would be empty without them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held: u32,
    /// Our product, if a mapping existed when the item first appeared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<ProductId>,
    /// The path on which the buyer reached the product, as the channel reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inflow: Option<String>,
    /// Units ordered that our stock could not cover (the shortfall).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stock_debt: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(units: &u32) -> bool {
    *units == 0
}

/// The payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderPayment {
    /// The payment method.
    pub method: PaymentMethod,
    /// The amount paid, or to pay.
    pub amount: Won,
    /// The payment's status.
    pub status: PaymentStatus,
    /// The time of the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// One entry of an order's status history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The status that the order entered.
    pub status: Status,
    /// The time of the change.
    pub at: Timestamp,
    /// Who made the change: `customer:<id>`, `store:<id>`, `rider:<id>`, `operator` or `system`.
    pub by: String,
}

impl From<&order::Order> for Order {
    fn from(order: &order::Order) -> Self {
        let item = |line: &order::Line| Item {
            product_id: line.product_id.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            total_price: line.total_price,
            channel: line.channel.clone().map(ChannelItem::from),
        };
        let step =
            |step: &order::Step| Step { status: step.status, at: step.at, by: step.by.to_string() };
        let (source, external_order_id) = order.source().unzip();
        Self {
            order_id: order.order_id.clone(),
            version: order.version,
            status: order.status(),
            external_status: order.external().and_then(|origin| origin.external_status.clone()),
            customer_id: order.customer_id.clone(),
            store_id: order.store_id.clone(),
            rider_id: order.rider_id().cloned(),
            source: source.cloned(),
            external_order_id: external_order_id.cloned(),
            campaign_id: order.campaign_id.clone(),
            items: order.lines.iter().map(item).collect(),
            original_amount: order.original_amount,
            discount_amount: order.discount_amount,
            total_amount: order.total_amount,
            coupon_id: order.coupon_id.clone(),
            payment: OrderPayment {
                method: order.payment.method,
                amount: order.payment.amount,
                status: order.payment.status,
                paid_at: order.payment.paid_at,
            },
            pay_by: order.pay_by.filter(|_| order.status() == Status::StockAllocated),
            delivery: order.delivery.clone(),
            shipment: order.shipment().cloned(),
            reason: order.reason().map(str::to_owned),
            timeline: order.timeline.iter().map(step).collect(),
            placed_at: order.placed_at,
            updated_at: order.updated_at,
        }
    }
}

impl From<order::ChannelItem> for ChannelItem {
    fn from(item: order::ChannelItem) -> Self {
        let order::ChannelItem {
            item_id,
            name,
            status,
            cancelled,
            held,
            product_id,
            inflow,
            shortfall: stock_debt,
        } = item;
        Self { item_id, name, status, cancelled, held, product_id, inflow, stock_debt }
    }
}
