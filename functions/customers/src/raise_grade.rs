//! `raise-grade` counts each completed order of a customer once. The grade is derived from the
//! count (등급).

use domain::order::Status;
use edge::{Function, Message, MessageError};
use events::{Envelope, Order};
use store::Store;

/// The `raise-grade` handler.
pub fn function() -> Function {
    Function::queue("raise-grade", handle)
}

async fn handle(store: Store, message: Message) -> Result<(), MessageError> {
    let order = message.json::<Envelope<Order>>()?.data;
    if order.status == Status::Completed {
        let store = store.until(message.deadline);
        // An order that was already counted is not an error.
        store
            .customers()
            .count_completed(&order.customer_id, &order.order_id, order.updated_at)
            .await?;
    }
    Ok(())
}
