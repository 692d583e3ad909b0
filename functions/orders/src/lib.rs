//! Orders: placing and paying them, showing them, calling them off, and telling the world of each change.
//!
//! This crate must never change an order without raising its version: the stream of the orders table is the outbox.

pub mod cancel_order;
pub mod expire_orders;
pub mod get_order;
pub mod list_orders;
mod outbox;
pub mod pay_order;
mod paying;
pub mod place_order;
pub mod placing;
mod prices;
pub mod project_customer_orders;
pub mod refusals;
pub mod relay_orders;
pub mod settle_payments;

use domain::{Fault, OrderId};
use edge::{Answer, Caller, Function, Rejected};
use store::{Store, orders::OrderFile};

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        place_order::function(),
        pay_order::function(),
        settle_payments::function(),
        cancel_order::function(),
        expire_orders::function(),
        get_order::function(),
        list_orders::function(),
        project_customer_orders::function(),
        relay_orders::function(),
    ]
}

/// The first answer again, if this is a repeat of the request under its key; or nothing, or that the key means another.
fn again(file: &OrderFile, key_hash: Option<&String>, fingerprint: &str) -> Option<Result<Answer, KeyReused>> {
    let reply = file.replies.get(key_hash?)?;
    let is_same = reply.fingerprint == fingerprint;
    Some(if is_same { Ok(Answer::again(reply.status, &reply.body)) } else { Err(KeyReused) })
}

/// The idempotency key stands for another request.
#[derive(Debug, thiserror::Error)]
#[error("This Idempotency-Key was used for another request about this order.")]
pub struct KeyReused;

/// Everything that is known of an order of the caller's; another's does not exist.
async fn file_of<E: From<Rejected> + From<Fault>>(
    store: &Store,
    order_id: &OrderId,
    caller: &Caller,
) -> Result<OrderFile, E> {
    let file = store.order_file(order_id).await?.ok_or(Rejected::NotFound)?;
    caller.must_be(&file.placed.order.customer_id).map_err(|_| Rejected::NotFound)?;
    Ok(file)
}
