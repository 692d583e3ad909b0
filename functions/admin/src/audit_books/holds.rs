//! The reservations of unpaid orders, and the open deliveries of riders: each row is checked
//! against its orders, and each order against its row. A row and its order are written in one
//! transaction, so both are read in one consistent snapshot.

use super::{CARRIED, Findings, HELD};
use domain::{
    CustomerId, Fault, OrderId, RiderId,
    order::{Order, Status},
    reservations::{Reservations, reserved_units},
};
use std::collections::BTreeSet;
use store::{Store, riders::MAX_OPEN_DELIVERIES};

/// Checks orders against the reservations of their customers and the open deliveries of their
/// riders.
pub(super) async fn audit_orders(
    store: &Store,
    orders: &[&Order],
    findings: &mut Findings,
) -> Result<(), Fault> {
    for order in orders {
        if order.status() == Status::StockAllocated {
            audit_hold(store, &order.customer_id, &order.order_id, findings).await?;
        }
        if let Some(rider) = order.rider_on_the_way() {
            audit_delivery(store, rider, &order.order_id, findings).await?;
        }
    }
    Ok(())
}

/// Checks the reservations of a customer against the customer's orders.
pub(super) async fn audit_holds(
    store: &Store,
    customer: &CustomerId,
    holds: &Reservations,
    findings: &mut Findings,
) -> Result<(), Fault> {
    for order in holds.orders.keys() {
        audit_hold(store, customer, order, findings).await?;
    }
    Ok(())
}

async fn audit_hold(
    store: &Store,
    customer: &CustomerId,
    order_id: &OrderId,
    findings: &mut Findings,
) -> Result<(), Fault> {
    findings.checked(HELD);
    let (holds, order) = store.audits().holds_and_order(customer, order_id).await?;
    let unpaid = order
        .filter(|order| order.status() == Status::StockAllocated && order.customer_id == *customer);
    let (expected, actual) =
        (unpaid.as_ref().map(reserved_units), holds.orders.get(order_id).cloned());
    if expected != actual {
        findings.violation(
            HELD,
            format!("order/{order_id}"),
            format!("{expected:?}"),
            format!("{actual:?}"),
        );
    }
    Ok(())
}

/// Checks the open deliveries of a rider against the orders.
pub(super) async fn audit_deliveries(
    store: &Store,
    rider: &RiderId,
    orders: &BTreeSet<OrderId>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    if i64::try_from(orders.len()).is_ok_and(|orders| orders > MAX_OPEN_DELIVERIES) {
        findings.violation(
            CARRIED,
            format!("rider/{rider}"),
            format!("at most {MAX_OPEN_DELIVERIES}"),
            orders.len(),
        );
    }
    for order in orders {
        audit_delivery(store, rider, order, findings).await?;
    }
    Ok(())
}

async fn audit_delivery(
    store: &Store,
    rider: &RiderId,
    order_id: &OrderId,
    findings: &mut Findings,
) -> Result<(), Fault> {
    findings.checked(CARRIED);
    let (deliveries, order) = store.audits().open_deliveries_and_order(rider, order_id).await?;
    let is_carried = |order: &Order| order.rider_on_the_way() == Some(rider);
    let (expected, actual) =
        (order.as_ref().is_some_and(is_carried), deliveries.contains(order_id));
    if expected != actual {
        let describe =
            |has_it| format!("rider {rider} {} it", if has_it { "has" } else { "does not have" });
        findings.violation(
            CARRIED,
            format!("order/{order_id}"),
            describe(expected),
            describe(actual),
        );
    }
    Ok(())
}
