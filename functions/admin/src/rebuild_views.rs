//! `rebuild-views` rebuilds the projections of orders from the orders themselves: views, boards and
//! deliveries that are missing, outdated or otherwise different; and rows of campaigns that are
//! missing or outdated, with their sums. It is run by hand when an audit finds such an error, when
//! the shape of a projection has changed, or when a projection is new.
//!
//! Orders are read while the shop is open. A projection that an event has updated further in the
//! meantime is not overwritten.

use domain::{Fault, OrderId, StoreId, Timestamp, order::Status};
use edge::{Function, Tick};
use events::Order;
use store::{ProjectionSource, Store, audits::OrderRow, boards::is_on_board};

/// The `rebuild-views` handler.
pub fn function() -> Function {
    Function::schedule("rebuild-views", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let (mut place, mut seen, mut rebuilt) = (None, 0, 0);
    loop {
        let (rows, next) = store.audits().scan_orders(place).await?;
        let (ours, theirs): (Vec<Order>, Vec<Order>) =
            rows.into_iter().filter_map(order).partition(|order| order.source.is_none());
        seen += ours.len() + theirs.len();
        rebuilt += rebuild(&store, &ours, tick.now).await?;
        for order in ours.iter().chain(&theirs).filter(|order| order.payment.paid_at.is_some()) {
            rebuilt += usize::from(store.campaigns().attribute(order).await?);
        }
        place = next;
        if place.is_none() {
            tracing::info!(seen, rebuilt, "the projections match the orders");
            return Ok(());
        }
    }
}

fn order(row: OrderRow) -> Option<Order> {
    match row {
        OrderRow::Order(order) | OrderRow::ExternalOrder(order) => Some(Order::from(&*order)),
        OrderRow::Attempt(_) | OrderRow::Charge(_) | OrderRow::OpenDeliveries(..) => None,
    }
}

/// Rebuilds the projections of some orders. Returns how many were wrong.
async fn rebuild(store: &Store, orders: &[Order], now: Timestamp) -> Result<usize, Fault> {
    let mut rebuilt = 0;
    let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id.clone()).collect();
    for (order, viewed) in orders.iter().zip(store.order_views().stored(&ids).await?) {
        if viewed.as_ref() != Some(order) {
            rebuilt +=
                usize::from(store.order_views().project(order, ProjectionSource::Rebuild).await?);
        }
    }
    let of_stores: Vec<(&StoreId, &Order)> =
        orders.iter().filter_map(|order| Some((order.store_id.as_ref()?, order))).collect();
    let on_boards: Vec<_> =
        of_stores.iter().copied().filter(|(_, order)| is_on_board(order, now)).collect();
    for ((store_id, order), boarded) in
        on_boards.iter().zip(store.boards().stored(&on_boards).await?)
    {
        if boarded.as_ref() != Some(*order) {
            rebuilt += usize::from(
                store.boards().project(store_id, order, ProjectionSource::Rebuild).await?,
            );
        }
    }
    let ids: Vec<OrderId> = of_stores.iter().map(|(_, order)| order.order_id.clone()).collect();
    for ((_, order), is_waiting) in
        of_stores.iter().zip(store.deliveries().are_waiting(&ids).await?)
    {
        if is_waiting != (order.status == Status::Cooked) {
            store.deliveries().project(order, ProjectionSource::Rebuild, now).await?;
            rebuilt += 1;
        }
    }
    Ok(rebuilt)
}
