//! `project-customer-orders` adds each new order to the list of its customer's orders.
//!
//! The list contains only ids and is written once per order; the state of an order is read from the
//! order itself. Late, repeated and reordered events therefore change nothing.

use domain::Fault;
use edge::{Function, MalformedMessage, Message};
use events::{Envelope, Order};
use store::{Store, Transaction};

/// The `project-customer-orders` handler.
pub fn function() -> Function {
    Function::queue("project-customer-orders", handle)
}

/// Why a message remains in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotListed {
    /// The message is not an order event: it ends in the dead-letter queue.
    #[error("the message is not an order event")]
    Unreadable(#[from] MalformedMessage),
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
}

async fn handle(store: Store, message: Message) -> Result<(), NotListed> {
    let Envelope { data: order, .. } = message.json::<Envelope<Order>>()?;
    let store = store.until(message.deadline);
    let list = store.orders().list_entry(&order.customer_id, order.placed_at, &order.order_id);
    Ok(Transaction::default().with(list, ()).commit_if_unchanged(&store).await.map(drop)?)
}
