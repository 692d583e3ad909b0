//! Orders: placing and paying them, showing them, calling them off, and telling the world of each change.
//!
//! This crate must never change an order without raising its version: the stream of the orders table is the outbox.

pub mod cancel_order;
pub mod charging;
pub mod collect_order;
pub mod collect_order_event;
pub mod collecting;
pub mod expire_orders;
pub mod get_order;
pub mod list_order_payments;
pub mod list_orders;
pub mod list_source_orders;
pub mod moving;
mod outbox;
pub mod pay_order;
pub mod paying;
pub mod place_order;
pub mod placing;
mod prices;
pub mod project_customer_orders;
pub mod refusals;
pub mod relay_orders;
pub mod settle_payments;
pub mod sweep_payments;
pub mod update_collected_order;

use domain::{Fault, OrderId, order::Order, payment::PendingReply};
use edge::{Answer, Caller, Function, Rejected, Request};
use store::{
    Store,
    orders::{OrderFile, Reply},
};

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        place_order::function(),
        pay_order::function(),
        settle_payments::function(),
        sweep_payments::function(),
        cancel_order::function(),
        expire_orders::function(),
        get_order::function(),
        list_orders::function(),
        list_order_payments::function(),
        list_source_orders::function(),
        project_customer_orders::function(),
        collect_order::function(),
        update_collected_order::function(),
        collect_order_event::function(),
        relay_orders::function(),
    ]
}

/// A request about an order under an idempotency key: the hash of the key, and what the request means.
#[derive(Debug, Clone)]
struct Keyed {
    hash: String,
    fingerprint: String,
}

impl Keyed {
    /// The key of this request, if it has one. A key belongs to one caller and one route; an operator's to one order. The
    /// scopes of two roles never meet: an id of one may be the text of another's.
    fn of(request: &Request, route: &str, order_id: &OrderId, meaning: &str) -> Result<Option<Self>, Rejected> {
        let Some(key) = request.idempotency_key()? else { return Ok(None) };
        let scope = match &request.caller {
            Caller::Customer(_) | Caller::Store(_) | Caller::Rider(_) => request.caller.actor().to_string(),
            Caller::Operator => format!("operator:{order_id}"),
            Caller::Anyone | Caller::Partner => format!("other:{order_id}"),
        };
        Ok(Some(Self { hash: key.hash(&format!("{scope}/{route}")), fingerprint: format!("{order_id} {meaning}") }))
    }

    /// The first answer again, if there is one; or that the key means something else.
    async fn again<E: From<KeyReused> + From<Fault>>(&self, store: &Store) -> Result<Option<Answer>, E> {
        let Some(reply) = store.reply(&self.hash).await? else { return Ok(None) };
        if reply.fingerprint == self.fingerprint {
            Ok(Some(Answer::again(reply.status, reply.body)))
        } else {
            Err(KeyReused.into())
        }
    }

    /// What the request is answered, to be kept.
    fn reply(&self, status: u16, order: &Order) -> Result<Reply, Fault> {
        Reply::of_order(&self.fingerprint, status, order)
    }

    /// The same as an attempt keeps it, while the answer depends on it.
    fn pending(&self) -> PendingReply {
        PendingReply::Key { hash: self.hash.clone(), fingerprint: self.fingerprint.clone() }
    }
}

/// The idempotency key stands for another request.
#[derive(Debug, thiserror::Error)]
#[error("This Idempotency-Key was used for another request.")]
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
