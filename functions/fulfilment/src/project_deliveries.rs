//! `project-deliveries` shows riders the orders that are cooked, and takes away those that somebody has picked up.

use crate::NotProjected;
use domain::{Fault, Timestamp, order::Status};
use edge::{Function, Message};
use events::Order;
use store::{Store, Teller, deliveries::Delivery};

/// The function.
pub fn function() -> Function {
    Function::queue("project-deliveries", crate::open, handle)
}

async fn handle(store: Store, message: Message) -> Result<(), NotProjected> {
    let order = crate::told(&message)?;
    Ok(project(&store.until(message.deadline), &order, Teller::Event, message.now).await?)
}

/// Keeps whether an order waits for a rider, and where.
pub(crate) async fn project(store: &Store, order: &Order, teller: Teller, now: Timestamp) -> Result<(), Fault> {
    let waiting = if order.status == Status::Cooked { delivery(store, order).await? } else { None };
    store.project_delivery(&order.order_id, order.version, waiting, teller, now).await
}

/// An order as a delivery, if it is one: with its store as it is known now.
async fn delivery(store: &Store, order: &Order) -> Result<Option<Delivery>, Fault> {
    let destination = order.delivery.as_ref().and_then(domain::delivery::Delivery::position);
    let (Some(store_id), Some(destination)) = (&order.store_id, destination) else { return Ok(None) };
    let profile = store.store_profile(store_id).await?;
    Ok(Some(Delivery {
        order_id: order.order_id.clone(),
        version: order.version,
        store_id: store_id.clone(),
        store_position: profile.as_ref().map(|profile| profile.position),
        store_name: profile.map(|profile| profile.name),
        position: destination.coarse(),
        cooked_at: order.updated_at,
    }))
}
