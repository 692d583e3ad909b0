//! External orders: orders that another system made, kept as orders of the one model. They have the
//! same stream, events, change feed and webhooks as every order; no stock and no points change with
//! them.
//!
//! An update that is not newer than what is stored ([`SourceRevision`]) changes nothing. An update
//! of the whole order that is newer by version but older than the last status update leaves the
//! status. The customer, the campaign and the time of placement do not change, and what was paid
//! stays paid: reports are based on them.

use crate::external_order_update::{ExternalOrder, ExternalPayment, check_clock_skew};
use domain::{
    ExternalOrderId, Failure, Fault, OrderId, Refusal, RefusalKind, SourceId, Timestamp,
    actor::Actor,
    external::{ReportedStatus, SourceRevision},
    order::{Change, Status},
    payment::PaymentStatus,
};
use events::{Order, OrderPayment, Step};
use store::{Store, external_orders::ExternalOrderRow};

/// The most steps of an external order's timeline that are kept: the first, and the latest.
const MAX_STEPS: usize = 40;

/// Four attempts: the updates of one order seldom arrive at once.
const ATTEMPTS: usize = 4;

/// Why an external order is not stored.
pub const REFUSALS: &[RefusalKind] =
    &[RefusalKind::InvalidQuantity, RefusalKind::AmountTooLarge, RefusalKind::NotChangeable];

/// Stores an external order as its system reports it. Returns the order as it is stored then, also
/// if the update is old.
pub async fn upsert(
    store: &Store,
    source: &SourceId,
    external: &ExternalOrderId,
    update: ExternalOrder,
    now: Timestamp,
) -> Result<Order, Failure> {
    refuse_channel(source)?;
    let dated = update.revision(now)?;
    let revision = dated.unwrap_or(SourceRevision { version: None, at: Some(now) });
    let order_id = OrderId::of_external(source, external);
    let reported_status = update.status().clone();
    let (update, payment) = update.into_order(order_id.clone(), source, external)?;
    for _ in 0..ATTEMPTS {
        let stored = store.external_orders().get(&order_id).await?;
        if let Some(stored) = &stored {
            if dated.is_some_and(|dated| !dated.is_newer_than(&stored.revision)) {
                return Ok(stored.order.clone());
            }
            check_unchanged(&stored.order, &update)?;
        }
        let mut next = update.clone();
        let status = stored.as_ref().map(|stored| stored.order.status);
        (next.status, next.external_status) = reported_status.resolve(status);
        // A status that was reported by itself, later than this update, stays.
        let later_status = stored.as_ref().filter(|stored| {
            revision.at.zip(stored.status_at).is_some_and(|(at, since)| at < since)
        });
        match later_status {
            Some(stored) => {
                (next.status, next.external_status) =
                    (stored.order.status, stored.order.external_status.clone());
                next.payment =
                    OrderPayment { amount: next.total_amount, ..stored.order.payment.clone() };
            }
            None => derive_payment(&mut next, &payment, stored.as_ref()),
        }
        let status_at = later_status.and_then(|stored| stored.status_at);
        let next = ExternalOrderRow { status_at, ..advance(stored.as_ref(), next, revision, now) };
        if store
            .external_orders()
            .put(&next, stored.map_or(0, |stored| stored.order.version))
            .await?
        {
            return Ok(next.order);
        }
    }
    Err(Fault::busy("the order is updated by others faster than by this request").into())
}

/// Stores that an external order has another status. Returns `None` if the order is unknown.
/// Without `at` the update is as of now, and newer than anything stored.
pub async fn update_status(
    store: &Store,
    source: &SourceId,
    external: &ExternalOrderId,
    status: &ReportedStatus,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Order>, Failure> {
    refuse_channel(source)?;
    let order_id = OrderId::of_external(source, external);
    let revision =
        SourceRevision { version: None, at: Some(check_clock_skew("at", at.unwrap_or(now), now)?) };
    for _ in 0..ATTEMPTS {
        let Some(stored) = store.external_orders().get(&order_id).await? else { return Ok(None) };
        if at.is_some() && !revision.is_newer_than(&stored.revision) {
            return Ok(Some(stored.order));
        }
        let (status, external_status) = status.resolve(Some(stored.order.status));
        let mut next = Order { status, external_status, ..stored.order.clone() };
        derive_payment(&mut next, &ExternalPayment::default(), Some(&stored));
        let next = ExternalOrderRow {
            status_at: revision.at,
            ..advance(Some(&stored), next, revision, now)
        };
        if store.external_orders().put(&next, stored.order.version).await? {
            return Ok(Some(next.order));
        }
    }
    Err(Fault::busy("the order is updated by others faster than by this request").into())
}

/// The next version of an external order, after an update that is newer than what is stored.
pub fn advance(
    stored: Option<&ExternalOrderRow>,
    update: Order,
    revision: SourceRevision,
    now: Timestamp,
) -> ExternalOrderRow {
    let mut timeline = stored.map(|stored| stored.order.timeline.clone()).unwrap_or_default();
    let status_changed = stored.is_none_or(|stored| stored.order.status != update.status);
    if status_changed {
        if timeline.len() == MAX_STEPS {
            timeline.remove(1);
        }
        timeline.push(Step {
            status: update.status,
            at: revision.at.unwrap_or(now),
            by: Actor::System.to_string(),
        });
    }
    ExternalOrderRow {
        last_change: if status_changed { Change::Status(update.status) } else { Change::Updated },
        revision: stored.map_or(revision, |stored| revision.with(stored.revision)),
        status_at: None,
        order_state: None,
        order: Order {
            version: stored.map_or(0, |stored| stored.order.version) + 1,
            timeline,
            // By our clock, and never back: the change feed is read by it.
            updated_at: stored.map_or(now, |stored| now.max(stored.order.updated_at)),
            ..update
        },
    }
}

fn check_unchanged(stored: &Order, update: &Order) -> Result<(), Refusal> {
    let changed = [
        (stored.customer_id != update.customer_id, "customerId"),
        (stored.campaign_id != update.campaign_id, "campaignId"),
        (stored.placed_at != update.placed_at, "placedAt"),
    ];
    match changed.into_iter().find(|(has_changed, _)| *has_changed) {
        Some((_, field)) => Err(Refusal::NotChangeable { field }),
        None => Ok(()),
    }
}

/// The orders of a sales channel are collected from it: nobody else updates them.
fn refuse_channel(source: &SourceId) -> Result<(), Refusal> {
    match source.channel() {
        Some(_) => {
            Err(Refusal::field("source", "is a sales channel, whose orders are collected from it"))
        }
        None => Ok(()),
    }
}

/// Derives an order's payment: as reported, else from the order's status. What was paid stays paid
/// or is refunded.
pub fn derive_payment(
    order: &mut Order,
    reported: &ExternalPayment,
    stored: Option<&ExternalOrderRow>,
) {
    let stored = stored.map(|stored| &stored.order.payment);
    let paid_before = stored.and_then(|stored| stored.paid_at);
    let mut status = reported
        .status
        .unwrap_or_else(|| payment_status(order.status, stored.map(|stored| stored.status)));
    if paid_before.is_some() && matches!(status, PaymentStatus::Pending | PaymentStatus::Failed) {
        status = if order.status.is_end() { PaymentStatus::Refunded } else { PaymentStatus::Paid };
    }
    order.payment.status = status;
    order.payment.paid_at = match status {
        PaymentStatus::Pending | PaymentStatus::Failed => None,
        PaymentStatus::Paid | PaymentStatus::Refunding | PaymentStatus::Refunded => {
            reported.paid_at.or(paid_before).or(Some(order.placed_at))
        }
    };
}

/// The payment status that follows from an order's status and its last payment status.
fn payment_status(status: Status, stored: Option<PaymentStatus>) -> PaymentStatus {
    match (status, stored) {
        (Status::StockAllocated, _) => PaymentStatus::Pending,
        (Status::Expired, _)
        | (
            Status::Cancelled | Status::Rejected,
            Some(PaymentStatus::Pending | PaymentStatus::Failed),
        ) => PaymentStatus::Failed,
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
