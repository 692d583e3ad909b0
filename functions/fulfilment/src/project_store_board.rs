//! `project-store-board` projects the last event of each paid order to the board of its store.

use edge::{Function, Message, MessageError};
use events::{Envelope, Order};
use store::{ProjectionSource, Store, boards::is_on_board};

/// The `project-store-board` handler.
pub fn function() -> Function {
    Function::queue("project-store-board", handle)
}

async fn handle(store: Store, message: Message) -> Result<(), MessageError> {
    let order = message.json::<Envelope<Order>>()?.data;
    if let Some(store_id) = order.store_id.as_ref().filter(|_| is_on_board(&order, message.now)) {
        store
            .until(message.deadline)
            .boards()
            .project(store_id, &order, ProjectionSource::Event)
            .await?;
    }
    Ok(())
}
