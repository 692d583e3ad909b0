//! How orders are collected that another system made: what it tells of an order becomes an order of the one standard model,
//! which follows the same stream, events, change feed and webhooks as every other. No stock and no points move with it.
//!
//! A telling that is not newer than what is known ([`Edition`]) changes nothing. Where one of the whole order is newer by its version,
//! and yet older than a status that was told by itself, the status stays. Whose order it is, which campaign brought it and when
//! it was placed do not change, and what was paid was paid: others have counted by that.

use domain::{
    CampaignId, CouponId, CustomerId, ExternalOrderId, Fault, OrderId, ProductId, RiderId, SourceId, StoreId,
    Timestamp, Won,
    actor::Actor,
    basket::Quantity,
    collected::{Edition, ToldStatus},
    delivery::{Delivery, Shipment},
    money::AmountTooLarge,
    order::{Change, Status},
    payment::PaymentStatus,
};
use edge::{Details, Problem, ProblemDoc, Rejected, WholeNumber, checked_reason};
use events::{Item, Order, OrderPayment, PaymentMethod, Step};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use store::{Store, collected::CollectedOrder};

/// The most items of an order that another system made.
const MOST_ITEMS: usize = 100;

/// The most steps of such an order that are kept: the first, and the latest.
const MOST_STEPS: usize = 40;

/// Clocks differ: what another system says of its time may be so far ahead of ours.
const MOST_AHEAD: Duration = Duration::from_hours(24);

/// How often the order is read anew when it changed in between.
const ROUNDS: usize = 4;

/// Why an order is not collected, for the API's document.
pub const COLLECT_PROBLEMS: &[ProblemDoc] = &[
    (400, "invalid-quantity", "an item's quantity is not 1 to 9,999"),
    (400, "amount-too-large", "an amount would be over 10^12 won"),
    (409, "not-changeable", "`field` is another than it was told before, and does not change"),
];

/// An order as the system that made it tells of it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalOrder {
    /// That system's version of the order.
    version: Option<u64>,
    /// When the order changed there; now, if both this and `version` are left out.
    updated_at: Option<Timestamp>,
    /// Where the order stands: a status of ours, in upper or lower case, or a word of that system, which is kept as
    /// `externalStatus` beside ours.
    status: ToldStatus,
    /// Whose it is; does not change.
    customer_id: CustomerId,
    /// The store that makes it.
    store_id: Option<StoreId>,
    /// The rider who has it.
    rider_id: Option<RiderId>,
    /// The campaign that brought the customer; does not change.
    campaign_id: Option<CampaignId>,
    /// What was ordered: 1 to 100 items.
    items: Vec<ExternalItem>,
    /// The items' sum; reckoned, if left out.
    original_amount: Option<Won>,
    /// What was taken off; nothing, if left out.
    discount_amount: Option<Won>,
    /// What is paid; original less discount, if left out.
    total_amount: Option<Won>,
    /// A coupon that was used there.
    coupon_id: Option<CouponId>,
    /// How it is paid there.
    payment: Option<ExternalPayment>,
    /// Where it goes.
    delivery: Option<Delivery>,
    /// The parcel.
    shipment: Option<Shipment>,
    /// Why it was called off.
    reason: Option<String>,
    /// When it was placed; does not change.
    placed_at: Timestamp,
}

/// One product of an order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalItem {
    /// Which product, as that system names it.
    product_id: ProductId,
    /// How many: 1 to 9,999.
    quantity: WholeNumber,
    /// The price of one unit.
    unit_price: Won,
}

/// How an order is paid where it was made.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalPayment {
    /// Where the payment stands; as the order's status says, if left out.
    pub status: Option<PaymentStatus>,
    /// When it was paid; when the order was placed, if left out.
    pub paid_at: Option<Timestamp>,
}

/// Why an order is not collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectRefusal {
    /// A quantity is out of range.
    #[error("The quantity of product {0} is not 1 to {max}.", max = Quantity::MAX)]
    InvalidQuantity(ProductId),
    /// An amount is too large.
    #[error("An amount is too large: {0}.")]
    AmountTooLarge(#[from] AmountTooLarge),
    /// Something is another than before that does not change.
    #[error("{0} is another than it was told before, and does not change.")]
    NotChangeable(&'static str),
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for CollectRefusal {
    fn details(&self) -> Details {
        match self {
            Self::InvalidQuantity(product) => Details::new(400, "invalid-quantity").with("productId", product),
            Self::AmountTooLarge(_) => Details::new(400, "amount-too-large"),
            Self::NotChangeable(field) => Details::new(409, "not-changeable").with("field", field),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

/// Collects an order as it is told now; answers with the order as it stands then, also where the telling is old.
pub async fn collect(
    store: &Store,
    source: &SourceId,
    external: &ExternalOrderId,
    told: ExternalOrder,
    now: Timestamp,
) -> Result<Order, CollectRefusal> {
    is_no_channel(source)?;
    let dated = told.edition(now)?;
    let edition = dated.unwrap_or(Edition { version: None, at: Some(now) });
    let order_id = OrderId::of_external(source, external);
    let told_status = told.status.clone();
    let (as_told, payment) = told.into_order(order_id.clone(), source, external)?;
    for _ in 0..ROUNDS {
        let known = store.collected_order(&order_id).await?;
        if let Some(known) = &known {
            if dated.is_some_and(|dated| !dated.is_newer_than(&known.edition)) {
                return Ok(known.order.clone());
            }
            unchangeable(&known.order, &as_told)?;
        }
        let mut as_told = as_told.clone();
        (as_told.status, as_told.external_status) = told_status.beside(known.as_ref().map(|known| known.order.status));
        let status_stays =
            known.as_ref().filter(|known| edition.at.zip(known.status_at).is_some_and(|(at, since)| at < since));
        match status_stays {
            Some(known) => {
                (as_told.status, as_told.external_status) = (known.order.status, known.order.external_status.clone());
                as_told.payment = OrderPayment { amount: as_told.total_amount, ..known.order.payment.clone() };
            }
            None => pay(&mut as_told, &payment, known.as_ref()),
        }
        let status_at = status_stays.and_then(|known| known.status_at);
        let next = CollectedOrder { status_at, ..follow(known.as_ref(), as_told, edition, now) };
        if store.put_collected(&next, known.map_or(0, |known| known.order.version)).await? {
            return Ok(next.order);
        }
    }
    Err(Fault::busy("the order is told of faster than it can be collected").into())
}

/// Takes note that an order has another status now; none, if nobody told of the order.
pub async fn collect_status(
    store: &Store,
    source: &SourceId,
    external: &ExternalOrderId,
    status: &ToldStatus,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Order>, CollectRefusal> {
    is_no_channel(source)?;
    let order_id = OrderId::of_external(source, external);
    let edition = Edition { version: None, at: Some(not_ahead("at", at.unwrap_or(now), now)?) };
    for _ in 0..ROUNDS {
        let Some(known) = store.collected_order(&order_id).await? else { return Ok(None) };
        // What is told without a time is of now: nothing that is known is newer.
        if at.is_some() && !edition.is_newer_than(&known.edition) {
            return Ok(Some(known.order));
        }
        let (status, external_status) = status.beside(Some(known.order.status));
        let mut as_told = Order { status, external_status, ..known.order.clone() };
        pay(&mut as_told, &ExternalPayment::default(), Some(&known));
        let next = CollectedOrder { status_at: edition.at, ..follow(Some(&known), as_told, edition, now) };
        if store.put_collected(&next, known.order.version).await? {
            return Ok(Some(next.order));
        }
    }
    Err(Fault::busy("the order is told of faster than it can be collected").into())
}

/// The order after a telling that is newer than what is known.
pub fn follow(known: Option<&CollectedOrder>, told: Order, edition: Edition, now: Timestamp) -> CollectedOrder {
    let mut timeline = known.map(|known| known.order.timeline.clone()).unwrap_or_default();
    let has_moved = known.is_none_or(|known| known.order.status != told.status);
    if has_moved {
        if timeline.len() == MOST_STEPS {
            timeline.remove(1);
        }
        timeline.push(Step { status: told.status, at: edition.at.unwrap_or(now), by: Actor::System.to_string() });
    }
    CollectedOrder {
        last_change: if has_moved { Change::Status(told.status) } else { Change::Updated },
        edition: known.map_or(edition, |known| edition.with(known.edition)),
        status_at: None,
        pieces: None,
        order: Order {
            version: known.map_or(0, |known| known.order.version) + 1,
            timeline,
            // By our clock, and never back: others go by it.
            updated_at: known.map_or(now, |known| now.max(known.order.updated_at)),
            ..told
        },
    }
}

fn unchangeable(known: &Order, told: &Order) -> Result<(), CollectRefusal> {
    let changed = [
        (known.customer_id != told.customer_id, "customerId"),
        (known.campaign_id != told.campaign_id, "campaignId"),
        (known.placed_at != told.placed_at, "placedAt"),
    ];
    match changed.into_iter().find(|(has_changed, _)| *has_changed) {
        Some((_, field)) => Err(CollectRefusal::NotChangeable(field)),
        None => Ok(()),
    }
}

/// What a sales channel has is collected there: nobody else tells of it.
fn is_no_channel(source: &SourceId) -> Result<(), Rejected> {
    match source.channel() {
        Some(_) => Err(Rejected::field("source", "is a sales channel, whose orders are collected there")),
        None => Ok(()),
    }
}

fn not_ahead(field: &str, time: Timestamp, now: Timestamp) -> Result<Timestamp, Rejected> {
    if time <= now.plus(MOST_AHEAD) { Ok(time) } else { Err(Rejected::field(field, "lies in the future")) }
}

/// Says how the order is paid: as it is told, else as its status says. What was known to be paid stays paid, or goes back.
pub fn pay(order: &mut Order, told: &ExternalPayment, known: Option<&CollectedOrder>) {
    let known = known.map(|known| &known.order.payment);
    let paid_before = known.and_then(|known| known.paid_at);
    let mut status = told.status.unwrap_or_else(|| payment_status(order.status, known.map(|known| known.status)));
    if paid_before.is_some() && matches!(status, PaymentStatus::Pending | PaymentStatus::Failed) {
        status = if order.status.is_end() { PaymentStatus::Refunded } else { PaymentStatus::Paid };
    }
    order.payment.status = status;
    order.payment.paid_at = match status {
        PaymentStatus::Pending | PaymentStatus::Failed => None,
        PaymentStatus::Paid | PaymentStatus::Refunding | PaymentStatus::Refunded => {
            told.paid_at.or(paid_before).or(Some(order.placed_at))
        }
    };
}

/// Where the payment of an order stands as the order's own status says; what was known of it says more where that may be.
fn payment_status(status: Status, known: Option<PaymentStatus>) -> PaymentStatus {
    match (status, known) {
        (Status::StockAllocated, _) => PaymentStatus::Pending,
        (Status::Expired, _)
        | (Status::Cancelled | Status::Rejected, Some(PaymentStatus::Pending | PaymentStatus::Failed)) => {
            PaymentStatus::Failed
        }
        (Status::Cancelled | Status::Rejected, _) => PaymentStatus::Refunded,
        (
            Status::Paid
            | Status::Accepted
            | Status::Cooking
            | Status::Cooked
            | Status::PickedUp
            | Status::Shipped
            | Status::Completed,
            _,
        ) => PaymentStatus::Paid,
    }
}

impl ExternalOrder {
    /// How new the telling is, if it says so.
    fn edition(&self, now: Timestamp) -> Result<Option<Edition>, Rejected> {
        not_ahead("placedAt", self.placed_at, now)?;
        let at = self.updated_at.map(|at| not_ahead("updatedAt", at, now)).transpose()?;
        Ok((self.version.is_some() || at.is_some()).then_some(Edition { version: self.version, at }))
    }

    /// The order as it is told, without its status.
    fn into_order(
        self,
        order_id: OrderId,
        source: &SourceId,
        external: &ExternalOrderId,
    ) -> Result<(Order, ExternalPayment), CollectRefusal> {
        if !(1..=MOST_ITEMS).contains(&self.items.len()) {
            return Err(Rejected::field("items", format!("must be 1 to {MOST_ITEMS}")).into());
        }
        if let Some(delivery) = &self.delivery {
            delivery.check().map_err(|invalid| Rejected::field("delivery", invalid))?;
        }
        if let Some(shipment) = &self.shipment {
            shipment.check().map_err(|invalid| Rejected::field("shipment", invalid))?;
        }
        let items: Vec<Item> = self.items.into_iter().map(item).collect::<Result<_, _>>()?;
        let sum = items.iter().try_fold(Won::ZERO, |sum, item| sum.plus(item.total_price))?;
        let original_amount = self.original_amount.unwrap_or(sum);
        let discount_amount = self.discount_amount.unwrap_or(Won::ZERO);
        let total_amount = self.total_amount.unwrap_or_else(|| original_amount.less(discount_amount));
        for (field, amount) in
            [("originalAmount", original_amount), ("discountAmount", discount_amount), ("totalAmount", total_amount)]
        {
            if amount < Won::ZERO {
                return Err(Rejected::field(field, "must not be negative").into());
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

fn item(ExternalItem { product_id, quantity, unit_price }: ExternalItem) -> Result<Item, CollectRefusal> {
    let quantity = Quantity::try_from(quantity.0).map_err(|_| CollectRefusal::InvalidQuantity(product_id.clone()))?;
    let total_price = unit_price.times(quantity.get())?;
    Ok(Item { product_id, quantity, unit_price, total_price, channel: None })
}
