//! `raise-grade` counts each completed order once for its customer; the grade follows from the count (등급).

use domain::order::Status;
use edge::{Function, Message, MessageError};
use events::{Envelope, Order};
use store::Store;

/// The function.
pub fn function() -> Function {
    Function::queue("raise-grade", handle)
}

async fn handle(store: Store, message: Message) -> Result<(), MessageError> {
    let order = message.json::<Envelope<Order>>()?.data;
    if order.status == Status::Completed {
        let store = store.until(message.deadline);
        // Whether it was counted before makes no difference to anybody.
        store.customers().count_completed(&order.customer_id, &order.order_id, order.updated_at).await?;
    }
    Ok(())
}
