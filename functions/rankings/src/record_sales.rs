//! `record-sales` stores one row per order with the units that it sold, in the hour of its payment.
//!
//! The latest version of an order wins, however often and in whichever order its events arrive:
//! late, repeated and reordered deliveries change nothing.

use domain::{
    Fault,
    sales::{Sale, Sold},
};
use edge::{Function, MalformedMessage, Message};
use events::{Envelope, Order};
use store::Store;

/// The `record-sales` handler.
pub fn function() -> Function {
    Function::queue("record-sales", handle)
}

/// Why a message remains in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// The message is not an order event: it ends in the dead-letter queue.
    #[error("the message is not an order event")]
    Unreadable(#[from] MalformedMessage),
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
}

async fn handle(store: Store, message: Message) -> Result<(), NotRecorded> {
    let Envelope { data: order, .. } = message.json::<Envelope<Order>>()?;
    if let Some(sale) = sale(&order) {
        store.until(message.deadline).sales().record(&sale, message.now).await?;
    }
    Ok(())
}

/// The sale of an order in its current state. `None` before the order is paid; an empty sale after
/// it was cancelled.
fn sale(order: &Order) -> Option<Sale> {
    let paid_at = order.payment.paid_at?;
    let mut sold = Sold::new();
    if !order.status.is_aborted() {
        for item in &order.items {
            *sold.entry(item.product_id.clone()).or_default() += i64::from(item.quantity);
        }
    }
    Some(Sale { order_id: order.order_id.clone(), version: order.version, paid_at, sold })
}
