//! `project-campaigns` attributes each paid order to the campaign that brought it, and updates the
//! daily totals of the campaign.
//!
//! The latest version of an order wins, however often and in whichever order its events arrive. The
//! same transaction updates the totals by the difference. Orders without a campaign are processed,
//! too: they may be the first orders of their customers.

use domain::Fault;
use edge::{Function, MalformedMessage, Message};
use events::{Envelope, Order};
use store::Store;

/// The `project-campaigns` handler.
pub fn function() -> Function {
    Function::queue("project-campaigns", handle)
}

/// Why an event remains in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotAttributed {
    /// The message is not an order event: it ends in the dead-letter queue.
    #[error("the message is not an order event")]
    Unreadable(#[from] MalformedMessage),
    /// An error on our side.
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
