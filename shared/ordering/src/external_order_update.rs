//! An update of an external order, as the system that made the order sends it.

use domain::{
    CampaignId, CouponId, CustomerId, ExternalOrderId, OrderId, ProductId, Refusal, RiderId,
    SourceId, StoreId, Timestamp, Won,
    basket::Quantity,
    delivery::{Delivery, Shipment},
    external::{ReportedStatus, SourceRevision},
    number::WholeNumber,
    order::{Status, checked_reason},
    payment::PaymentStatus,
};
use events::{Item, Order, OrderPayment, PaymentMethod};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// How far the clock of another system may be ahead of ours.
const MAX_CLOCK_SKEW: Duration = Duration::from_hours(24);

/// The most items of an external order.
const MAX_ITEMS: usize = 100;

/// An order as the system that made it reports it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalOrder {
    /// That system's version of the order.
    version: Option<u64>,
    /// When the order changed there; now, if both this and `version` are left out.
    updated_at: Option<Timestamp>,
    /// The status: one of ours, in upper or lower case, or a word of that system, which is kept as
    /// `externalStatus` beside ours.
    status: ReportedStatus,
    /// The customer; cannot be changed.
    customer_id: CustomerId,
    /// The store that makes it.
    store_id: Option<StoreId>,
    /// The rider.
    rider_id: Option<RiderId>,
    /// The campaign that brought the customer; cannot be changed.
    campaign_id: Option<CampaignId>,
    /// 1 to 100 items.
    items: Vec<ExternalItem>,
    /// The sum of the items; calculated if left out.
    original_amount: Option<Won>,
    /// The discount; 0 if left out.
    discount_amount: Option<Won>,
    /// The amount to pay; original less discount if left out.
    total_amount: Option<Won>,
    /// The coupon that was used there.
    coupon_id: Option<CouponId>,
    /// The payment.
    payment: Option<ExternalPayment>,
    /// The delivery address.
    delivery: Option<Delivery>,
    /// The parcel.
    shipment: Option<Shipment>,
    /// Why it was cancelled, in at most 200 characters.
    reason: Option<String>,
    /// When it was placed; cannot be changed.
    placed_at: Timestamp,
}

/// One product of an order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalItem {
    /// The product's id in that system.
    product_id: ProductId,
    /// Units: 1 to 9,999.
    quantity: WholeNumber,
    /// The price of one unit.
    unit_price: Won,
}

/// The payment of an order in the system that made it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalPayment {
    /// The status; derived from the order's status if left out.
    pub status: Option<PaymentStatus>,
    /// When it was paid; when the order was placed if left out.
    pub paid_at: Option<Timestamp>,
}

impl ExternalOrder {
    /// The reported status.
    pub(crate) const fn status(&self) -> &ReportedStatus {
        &self.status
    }

    /// The revision of the update, if it has one.
    pub(crate) fn revision(&self, now: Timestamp) -> Result<Option<SourceRevision>, Refusal> {
        check_clock_skew("placedAt", self.placed_at, now)?;
        let at = self.updated_at.map(|at| check_clock_skew("updatedAt", at, now)).transpose()?;
        Ok((self.version.is_some() || at.is_some())
            .then_some(SourceRevision { version: self.version, at }))
    }

    /// The order as it is reported, without its status.
    pub(crate) fn into_order(
        self,
        order_id: OrderId,
        source: &SourceId,
        external: &ExternalOrderId,
    ) -> Result<(Order, ExternalPayment), Refusal> {
        if !(1..=MAX_ITEMS).contains(&self.items.len()) {
            return Err(Refusal::field("items", format!("must be 1 to {MAX_ITEMS}")));
        }
        if let Some(delivery) = &self.delivery {
            delivery.check().map_err(|invalid| Refusal::field("delivery", invalid))?;
        }
        if let Some(shipment) = &self.shipment {
            shipment.check().map_err(|invalid| Refusal::field("shipment", invalid))?;
        }
        let items: Vec<Item> = self.items.into_iter().map(item).collect::<Result<_, _>>()?;
        let sum = items.iter().try_fold(Won::ZERO, |sum, item| sum.plus(item.total_price))?;
        let original_amount = self.original_amount.unwrap_or(sum);
        let discount_amount = self.discount_amount.unwrap_or(Won::ZERO);
        let total_amount =
            self.total_amount.unwrap_or_else(|| original_amount.less(discount_amount));
        for (field, amount) in [
            ("originalAmount", original_amount),
            ("discountAmount", discount_amount),
            ("totalAmount", total_amount),
        ] {
            if amount < Won::ZERO {
                return Err(Refusal::field(field, "must not be negative"));
            }
        }
        let payment = OrderPayment {
            method: PaymentMethod::External,
            amount: total_amount,
            status: PaymentStatus::Pending,
            paid_at: None,
        };
        let order = Order {
            order_id,
            version: 0,
            status: Status::Paid,
            external_status: None,
            customer_id: self.customer_id,
            store_id: self.store_id,
            rider_id: self.rider_id,
            source: Some(source.clone()),
            external_order_id: Some(external.clone()),
            campaign_id: self.campaign_id,
            items,
            original_amount,
            discount_amount,
            total_amount,
            coupon_id: self.coupon_id,
            payment,
            pay_by: None,
            delivery: self.delivery,
            shipment: self.shipment,
            reason: checked_reason(self.reason)?,
            timeline: Vec::new(),
            placed_at: self.placed_at,
            updated_at: self.placed_at,
        };
        Ok((order, self.payment.unwrap_or_default()))
    }
}

fn item(ExternalItem { product_id, quantity, unit_price }: ExternalItem) -> Result<Item, Refusal> {
    let quantity = Quantity::try_from(quantity.0)
        .map_err(|_| Refusal::InvalidQuantity { product_id: product_id.clone() })?;
    let total_price = unit_price.times(quantity.get())?;
    Ok(Item { product_id, quantity, unit_price, total_price, channel: None })
}

/// A time by the clock of another system, which must not be too far ahead.
pub(crate) fn check_clock_skew(
    field: &str,
    time: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    if time <= now.plus(MAX_CLOCK_SKEW) {
        Ok(time)
    } else {
        Err(Refusal::field(field, "lies in the future"))
    }
}
