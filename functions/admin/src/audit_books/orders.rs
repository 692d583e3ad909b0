//! Orders and the attempts to pay for them.

use super::{
    CHARGED_ONCE, Findings, LOOKS, PAID_ONCE, SETTLED, USED_ONCE, channels, charges, holds, leave,
    read_models,
};
use domain::{
    CampaignId, CouponId, CustomerId, Fault, Timestamp, Won,
    order::{Order, Status},
    payment::{Attempt, AttemptStatus, Payable, PaymentMethod, PaymentStatus},
};
use std::{collections::BTreeSet, time::Duration};
use store::{Store, audits::OrderRow};

/// The time within which an attempt must end.
const SETTLED_WITHIN: Duration = Duration::from_hours(24);

/// Checks every order against its payment, its coupon and its projections. Returns the campaigns
/// that brought orders.
pub(super) async fn audit(
    store: &Store,
    findings: &mut Findings,
    now: Timestamp,
) -> Result<BTreeSet<CampaignId>, Fault> {
    let mut brought_by = BTreeSet::new();
    let mut current: Option<(Order, Vec<Attempt>)> = None;
    let mut place = None;
    loop {
        let (rows, next) = store.audits().scan_orders(place).await?;
        let (mut whole, mut strays, mut external, mut charges) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match row {
                OrderRow::Order(order) => whole.extend(current.replace((*order, Vec::new()))),
                OrderRow::ExternalOrder(order) => external.push(*order),
                OrderRow::Charge(charge) => charges.push(charge.charge_id),
                OrderRow::OpenDeliveries(rider, orders) => {
                    holds::audit_deliveries(store, &rider, &orders, findings).await?;
                }
                OrderRow::Attempt(attempt) => match (&mut current, &attempt.payable) {
                    (Some((order, attempts)), Payable::Order(id)) if order.order_id == *id => {
                        attempts.push(attempt);
                    }
                    (_, Payable::Order(id)) => strays.push((id.clone(), attempt)),
                    (_, Payable::Charge(_)) => audit_settled(&attempt, findings, now),
                },
            }
        }
        place = next;
        if place.is_none() {
            whole.extend(current.take());
        }
        for (order, stray) in strays {
            // If an order is placed while the page is read, the page may contain only its attempt.
            if store.orders().get(&order).await?.is_none() {
                findings.violation(SETTLED, key_of(&stray), "an order", "none");
            }
        }
        audit_entries(store, &whole, findings).await?;
        audit_coupons(store, &whole, findings).await?;
        let orders: Vec<&Order> = whole.iter().map(|(order, _)| order).collect();
        holds::audit_orders(store, &orders, findings).await?;
        charges::audit(store, &charges, findings).await?;
        channels::audit(store, &external, findings).await?;
        let mut all_orders: Vec<events::Order> = external.iter().map(events::Order::from).collect();
        all_orders.extend(whole.iter().map(|(order, _)| events::Order::from(order)));
        read_models::audit(store, &all_orders, findings, now).await?;
        brought_by.extend(all_orders.into_iter().filter_map(|order| order.campaign_id));
        for (order, attempts) in whole {
            audit_attempts(store, order, attempts, findings, now).await?;
        }
        if place.is_none() {
            return Ok(brought_by);
        }
    }
}

/// Checks orders against the ledger entries that they name. An order and its entries are written in
/// one transaction, and entries never change.
async fn audit_entries(
    store: &Store,
    orders: &[(Order, Vec<Attempt>)],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let mut named = Vec::new();
    for (order, _) in orders {
        let Order { customer_id, total_amount, payment, .. } = order;
        if let Some(entry) = &payment.ledger_entry {
            named.push((order, (customer_id.clone(), entry.clone()), -*total_amount));
        }
        if let Some(entry) = &payment.refund_entry {
            named.push((order, (customer_id.clone(), entry.clone()), *total_amount));
        }
        let is_paid_with_points =
            payment.method == PaymentMethod::Points && payment.status != PaymentStatus::Pending;
        let lacks_refund = order.status().is_aborted() && payment.refund_entry.is_none();
        if is_paid_with_points && (payment.ledger_entry.is_none() || lacks_refund) {
            let key = format!("order/{}", order.order_id);
            findings.violation(
                PAID_ONCE,
                key,
                "ledger entries for the payment and the refund",
                "one is missing",
            );
        }
    }
    let keys: Vec<_> = named.iter().map(|(_, key, _)| key.clone()).collect();
    for ((order, _, amount), entry) in named.iter().zip(store.audits().ledger_entries(&keys).await?)
    {
        findings.checked(PAID_ONCE);
        let expected = (amount.get(), order.order_id.as_str());
        let actual = entry.as_ref().map(|entry| (entry.amount.get(), entry.reference.as_str()));
        if actual != Some(expected) {
            let describe = |(amount, reference): (i64, &str)| format!("{amount} for {reference}");
            let actual = actual.map_or_else(|| "no entry".to_owned(), describe);
            findings.violation(
                PAID_ONCE,
                format!("order/{}", order.order_id),
                describe(expected),
                actual,
            );
        }
    }
    Ok(())
}

/// Checks orders against the coupons that they use.
async fn audit_coupons(
    store: &Store,
    orders: &[(Order, Vec<Attempt>)],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let using: Vec<(&Order, (CustomerId, CouponId))> = orders
        .iter()
        .filter(|(order, _)| !order.status().is_aborted())
        .filter_map(|(order, _)| {
            Some((order, (order.customer_id.clone(), order.coupon_id.clone()?)))
        })
        .collect();
    let keys: Vec<_> = using.iter().map(|(_, key)| key.clone()).collect();
    for ((order, (customer, coupon_id)), coupon) in
        using.iter().zip(store.audits().coupons(&keys).await?)
    {
        findings.checked(USED_ONCE);
        let order_id = &order.order_id;
        if coupon.and_then(|coupon| coupon.used_by).as_ref() == Some(order_id) {
            continue;
        }
        // The order may have been aborted between the two reads: read both in one snapshot.
        let (coupon, now) =
            store.audits().coupon_and_order((customer, coupon_id), order_id).await?;
        let used_by = coupon.and_then(|coupon| coupon.used_by);
        if now.is_some_and(|now| !now.status().is_aborted()) && used_by.as_ref() != Some(order_id) {
            let actual = used_by.map_or_else(
                || "nobody uses it".to_owned(),
                |other| format!("order {other} uses it"),
            );
            let expected = format!("coupon {coupon_id} is used by it");
            findings.violation(USED_ONCE, format!("order/{order_id}"), expected, actual);
        }
    }
    Ok(())
}

fn key_of(attempt: &Attempt) -> String {
    format!("attempt/{}/{}", attempt.payable, attempt.attempt)
}

/// Checks that an attempt ended in time.
fn audit_settled(attempt: &Attempt, findings: &mut Findings, now: Timestamp) {
    findings.checked(SETTLED);
    if attempt.due_at.is_some() && attempt.updated_at.plus(SETTLED_WITHIN) < now {
        let actual = format!("{:?} since {}", attempt.status, attempt.updated_at);
        findings.violation(SETTLED, key_of(attempt), "settled within a day", actual);
    }
}

/// Checks an order against the attempts to pay for it.
async fn audit_attempts(
    store: &Store,
    mut order: Order,
    mut attempts: Vec<Attempt>,
    findings: &mut Findings,
    now: Timestamp,
) -> Result<(), Fault> {
    for attempt in &attempts {
        audit_settled(attempt, findings, now);
    }
    let key = format!("order/{}", order.order_id);
    for _ in 0..LOOKS {
        let Err((expected, actual)) = charged_once(&order, &attempts) else {
            findings.checked(CHARGED_ONCE);
            return Ok(());
        };
        // The scan may have read rows of one order at different times: read them again together.
        let Some(file) = store.orders().with_attempts(&order.order_id).await? else {
            return Ok(());
        };
        if (&file.placed.order, &file.attempts) == (&order, &attempts) {
            findings.checked(CHARGED_ONCE);
            findings.violation(CHARGED_ONCE, key, expected, actual);
            return Ok(());
        }
        (order, attempts) = (file.placed.order, file.attempts);
    }
    leave(CHARGED_ONCE, key);
    Ok(())
}

/// Whether an order's payment status agrees with the order's status.
fn is_payment_consistent(status: Status, payment: PaymentStatus) -> bool {
    match payment {
        PaymentStatus::Paid => !status.is_aborted() && status != Status::StockAllocated,
        PaymentStatus::Pending | PaymentStatus::Failed => {
            matches!(status, Status::StockAllocated | Status::Cancelled | Status::Expired)
        }
        PaymentStatus::Refunding | PaymentStatus::Refunded => status.is_aborted(),
    }
}

/// Checks that an order's payment agrees with its attempts. The error holds what was expected and
/// what was found.
fn charged_once(order: &Order, attempts: &[Attempt]) -> Result<(), (String, String)> {
    let payment = &order.payment;
    if !is_payment_consistent(order.status(), payment.status) {
        let actual = format!("{:?} with its payment {:?}", order.status(), payment.status);
        return Err(("paid while active, refunded once aborted".into(), actual));
    }
    let status = match payment.status {
        PaymentStatus::Paid => Some(AttemptStatus::Paid),
        PaymentStatus::Refunding => Some(AttemptStatus::Refunding),
        PaymentStatus::Refunded => Some(AttemptStatus::Refunded),
        PaymentStatus::Pending | PaymentStatus::Failed => None,
    };
    let status =
        status.filter(|_| payment.method == PaymentMethod::Card && order.total_amount > Won::ZERO);
    if status.is_some() && payment.attempt.is_none() {
        return Err(("an attempt that charged".into(), "none is named".into()));
    }
    let expected = payment.attempt.zip(status);
    let describe = |attempt: &Attempt| {
        format!("attempt {} is {:?} with {}", attempt.attempt, attempt.status, attempt.amount)
    };
    let others_charged = |attempt: &&Attempt| {
        attempt.status == AttemptStatus::Paid
            && expected.is_none_or(|(named, _)| named != attempt.attempt)
    };
    if let Some(other) = attempts.iter().find(others_charged) {
        return Err(("no other attempt that charged".into(), describe(other)));
    }
    let Some((named, status)) = expected else { return Ok(()) };
    let found = attempts.iter().find(|attempt| attempt.attempt == named);
    if found.is_some_and(|found| found.status == status && found.amount == order.total_amount) {
        return Ok(());
    }
    let expected = format!("attempt {named} is {status:?} with {}", order.total_amount);
    Err((expected, found.map_or_else(|| "there is no such attempt".into(), describe)))
}
