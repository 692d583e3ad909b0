//! The order as others see it: in the API's answers and in every event.

use domain::{
    CampaignId, CouponId, CustomerId, ExternalOrderId, OrderId, ProductId, RiderId, SourceId, StoreId, Timestamp, Won,
    basket::Quantity,
    delivery::{Delivery, Shipment},
    order::{self, Status},
    payment::{self, PaymentStatus},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// 1 when placed, one more with each change.
    pub version: u32,
    /// Where it stands.
    pub status: Status,
    /// Where it stands in the words of the system that made it, if those are not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_status: Option<String>,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The store whose products it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// The rider who has it, or had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rider_id: Option<RiderId>,
    /// The system that made it, if that is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// Its id there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_order_id: Option<ExternalOrderId>,
    /// The campaign that brought the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// What was ordered, each product once.
    pub items: Vec<Item>,
    /// The items' sum.
    pub original_amount: Won,
    /// What was taken off.
    pub discount_amount: Won,
    /// What is paid: original less discount.
    pub total_amount: Won,
    /// The coupon that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon_id: Option<CouponId>,
    /// How it is paid.
    pub payment: OrderPayment,
    /// Until when it can be paid, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
    /// Where it goes, for an order of a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The parcel, for an order that was shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment: Option<Shipment>,
    /// Why it was called off, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every step so far, the first first.
    pub timeline: Vec<Step>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One product of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Which product.
    pub product_id: ProductId,
    /// How many units.
    #[schemars(with = "u32", range(min = 1, max = 9999))]
    pub quantity: Quantity,
    /// The price of one unit when the order was placed.
    pub unit_price: Won,
    /// The price of all units.
    pub total_price: Won,
    /// What a sales channel says of it, if the order was made there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelItem>,
}

/// What a sales channel says of an item: there it ships, and is called off, by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelItem {
    /// The item's id there.
    pub item_id: String,
    /// What the product is called there.
    pub name: String,
    /// Where the item stands, in the channel's words, also if we do not know them.
    pub status: String,
    /// How many units were called off; they are not among the item's units, unless the whole order was called off.
    pub cancelled: u32,
    /// How many units are asked to be called off: they are not to be shipped, and not among the item's units either, unless that
    /// would leave nothing of the order.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held: u32,
    /// The product of ours that it is, if it was mapped when the order was first told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<ProductId>,
    /// By which way the buyer came to it, in the channel's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inflow: Option<String>,
    /// How many units our stock lacked for it.
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
    /// How.
    pub method: PaymentMethod,
    /// How much.
    pub amount: Won,
    /// Where it stands.
    pub status: PaymentStatus,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentMethod {
    /// From the customer's balance.
    Points,
    /// By card, through the payment gateway.
    Card,
    /// Where the order was made.
    External,
}

impl From<payment::PaymentMethod> for PaymentMethod {
    fn from(method: payment::PaymentMethod) -> Self {
        match method {
            payment::PaymentMethod::Points => Self::Points,
            payment::PaymentMethod::Card => Self::Card,
        }
    }
}

/// One step of an order's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The status from then on.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// Who did it: `customer:<id>`, `store:<id>`, `rider:<id>`, `operator` or `system`.
    pub by: String,
}

impl From<&order::Order> for Order {
    fn from(order: &order::Order) -> Self {
        let item = |line: &order::Line| Item {
            product_id: line.product_id.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            total_price: line.total_price,
            channel: None,
        };
        let step = |step: &order::Step| Step { status: step.status, at: step.at, by: step.by.to_string() };
        Self {
            order_id: order.order_id.clone(),
            version: order.version,
            status: order.status(),
            external_status: None,
            customer_id: order.customer_id.clone(),
            store_id: order.store_id.clone(),
            rider_id: order.state.rider_id().cloned(),
            source: None,
            external_order_id: None,
            campaign_id: order.campaign_id.clone(),
            items: order.lines.iter().map(item).collect(),
            original_amount: order.original_amount,
            discount_amount: order.discount_amount,
            total_amount: order.total_amount,
            coupon_id: order.coupon_id.clone(),
            payment: OrderPayment {
                method: order.payment.method.into(),
                amount: order.payment.amount,
                status: order.payment.status,
                paid_at: order.payment.paid_at,
            },
            pay_by: order.pay_by.filter(|_| order.status() == Status::StockAllocated),
            delivery: order.delivery.clone(),
            shipment: order.state.shipment().cloned(),
            reason: order.state.reason().map(str::to_owned),
            timeline: order.timeline.iter().map(step).collect(),
            placed_at: order.placed_at,
            updated_at: order.updated_at,
        }
    }
}
