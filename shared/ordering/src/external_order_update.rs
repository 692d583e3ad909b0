//! An update of an external order, as the system that made the order sends it.

use domain::{
    CampaignId, CouponId, CustomerId, ExternalOrderId, OrderId, ProductId, Refusal, RiderId,
    SourceId, StoreId, Timestamp, Won,
    basket::Quantity,
    delivery::{Delivery, Shipment},
    external::{ReportedStatus, SourceRevision},
    number::WholeNumber,
    order::{ExternalOrigin, Line, Order, Origin, Status, checked_reason},
    payment::{Payment, PaymentMethod, PaymentStatus},
};
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

    /// The order as it is reported. Its status is to be resolved against the stored one.
    pub(crate) fn into_reported(
        self,
        order_id: OrderId,
        source: &SourceId,
        external: &ExternalOrderId,
        revision: SourceRevision,
    ) -> Result<Reported, Refusal> {
        if !(1..=MAX_ITEMS).contains(&self.items.len()) {
            return Err(Refusal::field("items", format!("must have 1 to {MAX_ITEMS} entries")));
        }
        if let Some(delivery) = &self.delivery {
            delivery.check().map_err(|invalid| Refusal::field("delivery", invalid))?;
        }
        if let Some(shipment) = &self.shipment {
            shipment.check().map_err(|invalid| Refusal::field("shipment", invalid))?;
        }
        let lines: Vec<Line> = self.items.into_iter().map(line).collect::<Result<_, _>>()?;
        let sum = lines.iter().try_fold(Won::ZERO, |sum, line| sum.plus(line.total_price))?;
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
        let origin = ExternalOrigin {
            source: source.clone(),
            external_order_id: external.clone(),
            status: Status::Paid,
            external_status: None,
            rider_id: self.rider_id,
            shipment: self.shipment,
            reason: checked_reason(self.reason)?,
            revision,
            status_at: None,
        };
        let reported = Order::reported(
            order_id,
            Origin::External(Box::new(origin.clone())),
            self.customer_id,
            self.placed_at,
        );
        let order = Order {
            store_id: self.store_id,
            campaign_id: self.campaign_id,
            lines,
            original_amount,
            discount_amount,
            total_amount,
            coupon_id: self.coupon_id,
            payment: Payment::due(PaymentMethod::External, total_amount),
            delivery: self.delivery,
            ..reported
        };
        Ok(Reported { order, origin, payment: self.payment.unwrap_or_default() })
    }
}

/// An update of an external order, checked.
pub(crate) struct Reported {
    /// The order, with the origin as it is reported.
    pub(crate) order: Order,
    /// The origin of the order.
    pub(crate) origin: ExternalOrigin,
    /// The payment.
    pub(crate) payment: ExternalPayment,
}

fn line(ExternalItem { product_id, quantity, unit_price }: ExternalItem) -> Result<Line, Refusal> {
    let quantity = Quantity::try_from(quantity.0)
        .map_err(|_| Refusal::InvalidQuantity { product_id: product_id.clone() })?;
    let total_price = unit_price.times(quantity.get())?;
    Ok(Line { product_id, quantity, unit_price, total_price, channel: None })
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
        Err(Refusal::field(field, "must not be more than 24 hours ahead"))
    }
}
