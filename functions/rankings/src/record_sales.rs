//! `record-sales` keeps one row for what each order sold, in the hour of its payment.
//!
//! An order's latest version wins, whatever order its events come in and however often: late, repeated and reordered
//! deliveries change nothing.

use domain::{
    Fault,
    sales::{Sale, Sold},
};
use edge::{Function, MalformedMessage, Message};
use events::{Envelope, Order};
use store::Store;

/// The function.
pub fn function() -> Function {
    Function::queue("record-sales", handle)
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// It is not an order's event: it will end in the dead-letter queue.
    #[error("it is not an order's event")]
    Unreadable(#[from] MalformedMessage),
    /// The machinery failed.
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

/// What an order as it stands has sold: nothing to record before it is paid, an empty sale once it was called off.
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
