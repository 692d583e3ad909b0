//! What is kept of orders beside them: their views, their places on stores' boards, the deliveries that wait for a rider, the
//! orders that customers have got.
//! All follow by events, so an order that has just moved says nothing of them.

use super::{BOARDED, COUNTED, Findings, VIEWED, WAITING};
use domain::{
    CustomerId, Fault, OrderId, Timestamp,
    order::{Order, Status},
};
use std::time::Duration;
use store::{Store, boards::is_on_board};

/// By then an order's events have had their effect, unless something is broken.
const FOLLOWS_WITHIN: Duration = Duration::from_hours(1);

/// Holds what is kept of orders against the orders, those of a page.
pub(super) async fn audit<'a>(
    store: &Store,
    orders: impl Iterator<Item = &'a Order>,
    findings: &mut Findings,
    now: Timestamp,
) -> Result<(), Fault> {
    let at_rest: Vec<&Order> = orders.filter(|order| order.updated_at.plus(FOLLOWS_WITHIN) < now).collect();
    audit_views(store, &at_rest, findings).await?;
    audit_boards(store, &at_rest, findings, now).await?;
    audit_deliveries(store, &at_rest, findings).await?;
    audit_completed(store, &at_rest, findings).await
}

fn key_of(order: &Order) -> String {
    format!("order/{}", order.order_id)
}

/// Whether an order stands as it did when it was read; if not, it says nothing of what is kept of it.
async fn is_still(store: &Store, order: &Order) -> Result<bool, Fault> {
    let now = store.order(&order.order_id).await?;
    Ok(now.is_some_and(|now| now.order.version == order.version))
}

/// A view is what its order says.
async fn audit_views(store: &Store, orders: &[&Order], findings: &mut Findings) -> Result<(), Fault> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id.clone()).collect();
    for (order, viewed) in orders.iter().zip(store.viewed_orders(&ids).await?) {
        audit_copy(store, VIEWED, order, viewed, findings).await?;
    }
    Ok(())
}

/// A store's order is on its board as it stands.
async fn audit_boards(store: &Store, orders: &[&Order], findings: &mut Findings, now: Timestamp) -> Result<(), Fault> {
    let told: Vec<(&Order, events::Order)> = orders.iter().map(|order| (*order, events::Order::from(*order))).collect();
    let of_store = |(order, told): &'_ (&Order, events::Order)| order.store_id.is_some() && is_on_board(told, now);
    let told: Vec<(&Order, events::Order)> = told.into_iter().filter(of_store).collect();
    let keys: Vec<_> = told.iter().filter_map(|(order, told)| Some((order.store_id.as_ref()?, told))).collect();
    for ((order, _), boarded) in told.iter().zip(store.boarded_orders(&keys).await?) {
        audit_copy(store, BOARDED, order, boarded, findings).await?;
    }
    Ok(())
}

/// What is kept of an order is what it says.
async fn audit_copy(
    store: &Store,
    law: &'static str,
    order: &Order,
    kept: Option<events::Order>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    findings.checked(law);
    let expected = events::Order::from(order);
    if kept.as_ref() != Some(&expected) && is_still(store, order).await? {
        let told = |order: &events::Order| format!("version {}, {:?}", order.version, order.status);
        let actual = kept.as_ref().map_or_else(|| "there is none".to_owned(), told);
        findings.violation(law, key_of(order), told(&expected), actual);
    }
    Ok(())
}

/// A delivery waits for a rider exactly while its order is cooked.
async fn audit_deliveries(store: &Store, orders: &[&Order], findings: &mut Findings) -> Result<(), Fault> {
    let is_or_was_cooked = |order: &&&Order| {
        matches!(order.status(), Status::Cooked | Status::PickedUp | Status::Completed) && order.store_id.is_some()
    };
    let orders: Vec<&&Order> = orders.iter().filter(is_or_was_cooked).collect();
    let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id.clone()).collect();
    for (order, is_waiting) in orders.iter().zip(store.are_waiting(&ids).await?) {
        findings.checked(WAITING);
        let is_cooked = order.status() == Status::Cooked;
        if is_waiting != is_cooked && is_still(store, order).await? {
            let told = |waits| if waits { "it waits for a rider" } else { "it does not wait for a rider" };
            findings.violation(WAITING, key_of(order), told(is_cooked), told(is_waiting));
        }
    }
    Ok(())
}

/// Every completed order is counted among those that its customer has got.
async fn audit_completed(store: &Store, orders: &[&Order], findings: &mut Findings) -> Result<(), Fault> {
    let completed = orders.iter().filter(|order| order.status() == Status::Completed);
    let completed: Vec<(CustomerId, OrderId)> =
        completed.map(|order| (order.customer_id.clone(), order.order_id.clone())).collect();
    for ((customer, order), is_counted) in completed.iter().zip(store.are_counted(&completed).await?) {
        findings.checked(COUNTED);
        if !is_counted {
            findings.violation(COUNTED, format!("order/{order}"), format!("counted for {customer}"), "not counted");
        }
    }
    Ok(())
}
