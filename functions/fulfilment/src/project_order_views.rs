//! `project-order-views` projects the last event of each order to its view.
//!
//! An event contains the whole order as it was after the change, so a view needs only the last one.
//! The version of a late, repeated or reordered event is not newer than the stored one, so the
//! event changes nothing.

use edge::{Function, Message, MessageError};
use events::{Envelope, Order};
use store::{ProjectionSource, Store};

/// The `project-order-views` handler.
pub fn function() -> Function {
    Function::queue("project-order-views", handle)
}

async fn handle(store: Store, message: Message) -> Result<(), MessageError> {
    let order = message.json::<Envelope<Order>>()?.data;
    store.until(message.deadline).order_views().project(&order, ProjectionSource::Event).await?;
    Ok(())
}
