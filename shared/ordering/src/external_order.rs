//! External orders: orders that another system made, kept as orders of the one model. They have the
//! same stream, events, change feed and webhooks as every order; no stock and no points change with
//! them.
//!
//! An update that is not newer than what is stored ([`SourceRevision`]) changes nothing. An update
//! of the whole order that is newer by version but older than the last status update leaves the
//! status. The customer, the campaign and the time of placement do not change, and what was paid
//! stays paid: reports are based on them.

use crate::external_order_update::{ExternalOrder, ExternalPayment, Reported, check_clock_skew};
use domain::{
    ExternalOrderId, Failure, OrderId, Refusal, RefusalKind, SourceId, Timestamp,
    actor::Actor,
    external::{ReportedStatus, SourceRevision},
    order::{Change, ExternalOrigin, Order, Origin, Status, Step},
    payment::{Payment, PaymentStatus},
};
use store::{
    Store,
    optimistic::{
        Attempted::{self, Done},
        SELDOM_CHANGED, optimistically,
    },
};

/// The most steps of an external order's timeline that are kept: the first, and the latest.
const MAX_STEPS: usize = 40;

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
    by: &Actor,
    now: Timestamp,
) -> Result<Order, Failure> {
    refuse_channel(source)?;
    let dated = update.revision(now)?;
    let revision = dated.unwrap_or(SourceRevision { version: None, at: Some(now) });
    let order_id = OrderId::of_external(source, external);
    let reported_status = update.status().clone();
    let Reported { order: update, origin, payment } =
        update.into_reported(order_id.clone(), source, external, revision)?;
    optimistically(SELDOM_CHANGED, || async {
        let stored = store.external_orders().get(&order_id).await?;
        let known = stored.as_ref().and_then(Order::external);
        if let Some((stored, known)) = stored.as_ref().zip(known) {
            if dated.is_some_and(|dated| !dated.is_newer_than(&known.revision)) {
                return Ok(Done(stored.clone()));
            }
            check_unchanged(stored, &update)?;
        }
        let mut origin = ExternalOrigin {
            revision: known.map_or(revision, |known| revision.with(known.revision)),
            ..origin.clone()
        };
        (origin.status, origin.external_status) =
            reported_status.resolve(known.map(|known| known.status));
        // A status that was reported by itself, later than this update, stays.
        let later_status = known
            .filter(|known| revision.at.zip(known.status_at).is_some_and(|(at, since)| at < since));
        if let Some(known) = later_status {
            (origin.status, origin.external_status, origin.status_at) =
                (known.status, known.external_status.clone(), known.status_at);
        }
        let mut next = Order { origin: Origin::External(Box::new(origin)), ..update.clone() };
        match stored.as_ref().filter(|_| later_status.is_some()) {
            Some(stored) => {
                next.payment = Payment { amount: next.total_amount, ..stored.payment.clone() };
            }
            None => derive_payment(&mut next, &payment, stored.as_ref()),
        }
        let at = revision.at.unwrap_or(now);
        let next = advance(stored.as_ref(), next, by, at, now);
        let seen_version = stored.map_or(0, |stored| stored.version);
        let is_written = store.external_orders().put(&next, seen_version).await?;
        Ok(Attempted::done_if(is_written, || next))
    })
    .await
}

/// Stores that an external order has another status. Returns `None` if the order is unknown.
/// Without `at` the update is as of now, and newer than anything stored.
pub async fn update_status(
    store: &Store,
    source: &SourceId,
    external: &ExternalOrderId,
    status: &ReportedStatus,
    at: Option<Timestamp>,
    by: &Actor,
    now: Timestamp,
) -> Result<Option<Order>, Failure> {
    refuse_channel(source)?;
    let order_id = OrderId::of_external(source, external);
    let reported_at = check_clock_skew("at", at.unwrap_or(now), now)?;
    let revision = SourceRevision { version: None, at: Some(reported_at) };
    optimistically(SELDOM_CHANGED, || async {
        let Some(stored) = store.external_orders().get(&order_id).await? else {
            return Ok(Done(None));
        };
        let Some(known) = stored.external() else { return Ok(Done(None)) };
        if at.is_some() && !revision.is_newer_than(&known.revision) {
            return Ok(Done(Some(stored)));
        }
        let (status, external_status) = status.resolve(Some(known.status));
        let origin = ExternalOrigin {
            status,
            external_status,
            revision: revision.with(known.revision),
            status_at: Some(reported_at),
            ..known.clone()
        };
        let mut next = Order { origin: Origin::External(Box::new(origin)), ..stored.clone() };
        derive_payment(&mut next, &ExternalPayment::default(), Some(&stored));
        let next = advance(Some(&stored), next, by, reported_at, now);
        let is_written = store.external_orders().put(&next, stored.version).await?;
        Ok(Attempted::done_if(is_written, || Some(next)))
    })
    .await
}

/// The next version of an order that another party took, after an update that is newer than what is
/// stored. `at` is the time of a new status there, `by` who reported it.
pub fn advance(
    stored: Option<&Order>,
    update: Order,
    by: &Actor,
    at: Timestamp,
    now: Timestamp,
) -> Order {
    let status = update.status();
    let mut timeline = stored.map_or_else(Vec::new, |stored| stored.timeline.clone());
    let status_changed = stored.is_none_or(|stored| stored.status() != status);
    if status_changed {
        if timeline.len() == MAX_STEPS {
            timeline.remove(1);
        }
        timeline.push(Step { status, at, by: by.clone() });
    }
    Order {
        version: stored.map_or(0, |stored| stored.version) + 1,
        last_change: if status_changed { Change::Status(status) } else { Change::Updated },
        timeline,
        // By our clock, and never back: the change feed is read by it.
        updated_at: stored.map_or(now, |stored| now.max(stored.updated_at)),
        ..update
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
pub fn derive_payment(order: &mut Order, reported: &ExternalPayment, stored: Option<&Order>) {
    let stored = stored.map(|stored| &stored.payment);
    let paid_before = stored.and_then(|stored| stored.paid_at);
    let mut status = reported
        .status
        .unwrap_or_else(|| payment_status(order.status(), stored.map(|stored| stored.status)));
    if paid_before.is_some() && matches!(status, PaymentStatus::Pending | PaymentStatus::Failed) {
        status =
            if order.status().is_end() { PaymentStatus::Refunded } else { PaymentStatus::Paid };
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
