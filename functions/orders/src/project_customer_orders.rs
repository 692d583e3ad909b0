//! `project-customer-orders` lists each new order among those of its customer.
//!
//! The list says which orders there are, and is written once for each; how they stand is read from the orders themselves.
//! So late, repeated and reordered events change nothing.

use domain::Fault;
use edge::{Function, MalformedMessage, Message};
use events::{Envelope, Order};
use store::{Store, Transaction};

/// The function.
pub fn function() -> Function {
    Function::queue("project-customer-orders", handle)
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotListed {
    /// It is not an order's event: it will end in the dead-letter queue.
    #[error("it is not an order's event")]
    Unreadable(#[from] MalformedMessage),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

async fn handle(store: Store, message: Message) -> Result<(), NotListed> {
    let Envelope { data: order, .. } = message.json::<Envelope<Order>>()?;
    let store = store.until(message.deadline);
    let list = store.orders().list_entry(&order.customer_id, order.placed_at, &order.order_id);
    Ok(Transaction::default().with(list, ()).commit_if_new(&store).await.map(drop)?)
}
