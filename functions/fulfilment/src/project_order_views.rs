//! `project-order-views` keeps each order's view as the last of its events tells it.
//!
//! An event holds the whole order as it was just after, so a view needs the last one alone: what comes late, again or out of
//! turn is refused by its version.

use edge::{Function, Message, MessageError};
use events::{Envelope, Order};
use store::{ProjectionSource, Store};

/// The function.
pub fn function() -> Function {
    Function::queue("project-order-views", handle)
}

async fn handle(store: Store, message: Message) -> Result<(), MessageError> {
    let order = message.json::<Envelope<Order>>()?.data;
    store.until(message.deadline).order_views().project(&order, ProjectionSource::Event).await?;
    Ok(())
}
