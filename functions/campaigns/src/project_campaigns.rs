//! `project-campaigns` attributes each paid order to the campaign that brought it, and keeps the campaign's day sums.
//!
//! An order's latest version wins, whatever order its events come in and however often; the sums move in the same
//! transaction, by what has changed. Orders without a campaign count too: they may be their customer's first.

use domain::Fault;
use edge::{Function, MalformedMessage, Message};
use events::{Envelope, Order};
use store::Store;

/// The function.
pub fn function() -> Function {
    Function::queue("project-campaigns", handle)
}

/// Why an event stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotAttributed {
    /// It is not an order's event: it will end in the dead-letter queue.
    #[error("it is not an order's event")]
    Unreadable(#[from] MalformedMessage),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

async fn handle(store: Store, message: Message) -> Result<(), NotAttributed> {
    let Envelope { data: order, .. } = message.json::<Envelope<Order>>()?;
    if order.payment.paid_at.is_some() {
        store.until(message.deadline).campaigns().attribute(&order).await?;
    }
    Ok(())
}
