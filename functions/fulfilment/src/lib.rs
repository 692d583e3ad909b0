//! Fulfilment: stores take and cook orders, riders bring them, carriers carry them, customers confirm them; and the read
//! models by which each of them sees what is theirs.
//!
//! This crate must never be needed to place or pay an order: it moves orders that are paid, and reads events of them.

pub mod accept_order;
pub mod confirm_delivery;
pub mod find_deliveries;
pub mod finish_cooking;
mod geography;
pub mod get_order_view;
pub mod get_store;
pub mod list_order_views;
pub mod list_store_orders;
pub mod list_stores;
pub mod pick_up_order;
pub mod project_deliveries;
pub mod project_order_views;
pub mod project_store_board;
pub mod put_store;
pub mod raise_grade;
pub mod rebuild_views;
pub mod reject_order;
pub mod ship_order;
pub mod start_cooking;
pub mod unassign_order;
mod view;

use domain::{Fault, order::Order};
use edge::{Caller, Environment, Function, Message, NotJson, NotStarted};
use events::Envelope;
use store::Store;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        put_store::function(),
        list_stores::function(),
        get_store::function(),
        list_store_orders::function(),
        accept_order::function(),
        reject_order::function(),
        start_cooking::function(),
        finish_cooking::function(),
        find_deliveries::function(),
        pick_up_order::function(),
        unassign_order::function(),
        confirm_delivery::function(),
        ship_order::function(),
        get_order_view::function(),
        list_order_views::function(),
        project_order_views::function(),
        rebuild_views::function(),
        project_store_board::function(),
        project_deliveries::function(),
        raise_grade::function(),
    ]
}

fn open(env: &Environment) -> Result<Store, NotStarted> {
    Ok(Store::open(&env.aws, |name| env.variable(name))?)
}

/// Whether an order is one that the caller makes, or the caller is an operator.
fn is_made_by(caller: &Caller, order: &Order) -> bool {
    match caller {
        Caller::Store(store) => Some(store) == order.store_id.as_ref(),
        Caller::Operator => true,
        Caller::Anyone | Caller::Customer(_) | Caller::Rider(_) | Caller::Partner => false,
    }
}

/// Why an event stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotProjected {
    /// It is not an order's event: it will end in the dead-letter queue.
    #[error("it is not an order's event")]
    Unreadable(#[from] NotJson),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The order of an event, as it was just after.
fn told(message: &Message) -> Result<events::Order, NotProjected> {
    Ok(message.json::<Envelope<events::Order>>()?.data)
}
