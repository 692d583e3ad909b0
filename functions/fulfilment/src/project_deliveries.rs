//! `project-deliveries` lists cooked orders for riders, and removes those that were picked up.

use edge::{Function, Message, MessageError};
use events::{Envelope, Order};
use store::{ProjectionSource, Store};

/// The `project-deliveries` handler.
pub fn function() -> Function {
    Function::queue("project-deliveries", handle)
}

async fn handle(store: Store, message: Message) -> Result<(), MessageError> {
    let order = message.json::<Envelope<Order>>()?.data;
    let store = store.until(message.deadline);
    Ok(store.deliveries().project(&order, ProjectionSource::Event, message.now).await?)
}
