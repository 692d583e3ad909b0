//! Projections of orders: their views, their entries on stores' boards and in campaigns, the
//! deliveries that wait for a rider, and the completed orders of customers. Events update all of
//! them, so an order that has just changed proves nothing about them.

use super::{ATTRIBUTED, BOARDED, COUNTED, Findings, VIEWED, WAITING};
use domain::{CustomerId, Fault, OrderId, Timestamp, order::Status};
use events::Order;
use std::time::Duration;
use store::{Store, boards::is_on_board};

/// The time within which an order's events have updated its projections, unless something is
/// broken.
const PROJECTED_WITHIN: Duration = Duration::from_hours(1);

/// Checks the projections of a page of orders, own and external, against the orders.
pub(super) async fn audit(
    store: &Store,
    orders: &[Order],
    findings: &mut Findings,
    now: Timestamp,
) -> Result<(), Fault> {
    let settled: Vec<&Order> =
        orders.iter().filter(|order| order.updated_at.plus(PROJECTED_WITHIN) < now).collect();
    audit_campaigns(store, &settled, findings).await?;
    let ours: Vec<&Order> = settled.into_iter().filter(|order| order.source.is_none()).collect();
    audit_views(store, &ours, findings).await?;
    audit_boards(store, &ours, findings, now).await?;
    audit_deliveries(store, &ours, findings).await?;
    audit_completed(store, &ours, findings).await
}

fn key_of(order: &Order) -> String {
    format!("order/{}", order.order_id)
}

/// Whether an order is unchanged since it was read. If it changed, a mismatch proves nothing.
async fn is_unchanged(store: &Store, order: &Order) -> Result<bool, Fault> {
    let now = store.orders().any(&order.order_id).await?;
    Ok(now.is_some_and(|now| now.version == order.version))
}

/// Checks that paid orders that a campaign brought are among the campaign's orders in their current
/// state.
async fn audit_campaigns(
    store: &Store,
    orders: &[&Order],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let brought: Vec<&Order> = orders
        .iter()
        .copied()
        .filter(|order| order.campaign_id.is_some() && order.payment.paid_at.is_some())
        .collect();
    for (order, attributed) in brought.iter().zip(store.campaigns().stored(&brought).await?) {
        audit_copy(store, ATTRIBUTED, order, attributed, findings).await?;
    }
    Ok(())
}

/// Checks that views equal their orders.
async fn audit_views(
    store: &Store,
    orders: &[&Order],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id.clone()).collect();
    for (order, viewed) in orders.iter().zip(store.order_views().stored(&ids).await?) {
        audit_copy(store, VIEWED, order, viewed, findings).await?;
    }
    Ok(())
}

/// Checks that the orders of stores are on their boards in their current state.
async fn audit_boards(
    store: &Store,
    orders: &[&Order],
    findings: &mut Findings,
    now: Timestamp,
) -> Result<(), Fault> {
    let on_boards = orders.iter().copied().filter(|order| is_on_board(order, now));
    let on_boards: Vec<_> =
        on_boards.filter_map(|order| Some((order.store_id.as_ref()?, order))).collect();
    for ((_, order), boarded) in on_boards.iter().zip(store.boards().stored(&on_boards).await?) {
        audit_copy(store, BOARDED, order, boarded, findings).await?;
    }
    Ok(())
}

/// Checks that a projection's copy of an order equals the order.
async fn audit_copy(
    store: &Store,
    law: &'static str,
    order: &Order,
    copy: Option<Order>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    findings.checked(law);
    if copy.as_ref() != Some(order) && is_unchanged(store, order).await? {
        let describe = |order: &Order| format!("version {}, {:?}", order.version, order.status);
        let actual = copy.as_ref().map_or_else(|| "missing".to_owned(), describe);
        findings.violation(law, key_of(order), describe(order), actual);
    }
    Ok(())
}

/// Checks that a delivery waits for a rider exactly while its order is cooked.
async fn audit_deliveries(
    store: &Store,
    orders: &[&Order],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let is_or_was_cooked = |order: &&&Order| {
        matches!(order.status, Status::Cooked | Status::PickedUp | Status::Completed)
            && order.store_id.is_some()
    };
    let orders: Vec<&&Order> = orders.iter().filter(is_or_was_cooked).collect();
    let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id.clone()).collect();
    for (order, is_waiting) in orders.iter().zip(store.deliveries().are_waiting(&ids).await?) {
        findings.checked(WAITING);
        let is_cooked = order.status == Status::Cooked;
        if is_waiting != is_cooked && is_unchanged(store, order).await? {
            let describe =
                |waits| if waits { "it waits for a rider" } else { "it does not wait for a rider" };
            findings.violation(WAITING, key_of(order), describe(is_cooked), describe(is_waiting));
        }
    }
    Ok(())
}

/// Checks that every completed order is counted for its customer.
async fn audit_completed(
    store: &Store,
    orders: &[&Order],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let completed = orders.iter().filter(|order| order.status == Status::Completed);
    let completed: Vec<(CustomerId, OrderId)> =
        completed.map(|order| (order.customer_id.clone(), order.order_id.clone())).collect();
    for ((customer, order), is_counted) in
        completed.iter().zip(store.customers().are_counted(&completed).await?)
    {
        findings.checked(COUNTED);
        if !is_counted {
            findings.violation(
                COUNTED,
                format!("order/{order}"),
                format!("counted for {customer}"),
                "not counted",
            );
        }
    }
    Ok(())
}
