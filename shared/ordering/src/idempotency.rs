//! Idempotency keys of requests about an order that exists: the first response is stored with what
//! the request did.

use domain::{
    Caller, Failure, Fault, IdempotencyKey, OrderId, Refusal, order::Order, outcome::Reply,
    payment::PendingReply,
};
use store::{Store, orders::StoredReply};

/// A request about an order under an idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct KeyedRequest {
    /// The hash of the key within its scope.
    pub(crate) hash: String,
    fingerprint: String,
}

impl KeyedRequest {
    /// A key belongs to one caller and one route; an operator's to one order as well. The scopes of
    /// two roles are disjoint, because an id of one role may have the text of another's.
    pub(crate) fn new(
        key: &IdempotencyKey,
        caller: &Caller,
        route: &str,
        order_id: &OrderId,
        meaning: &str,
    ) -> Self {
        let scope = match caller {
            Caller::Customer(_) | Caller::Store(_) | Caller::Rider(_) | Caller::Partner(..) => {
                caller.key_owner()
            }
            Caller::Operator(_) => format!("operator:{order_id}"),
            Caller::Anyone => format!("other:{order_id}"),
        };
        Self {
            hash: key.hash(&format!("{scope}/{route}")),
            fingerprint: format!("{order_id} {meaning}"),
        }
    }

    /// The first response, if there was one; a refusal if that was to a request with another
    /// meaning.
    pub(crate) async fn first_reply(&self, store: &Store) -> Result<Option<Reply>, Failure> {
        match store.orders().reply(&self.hash).await? {
            None => Ok(None),
            Some(stored) if stored.fingerprint == self.fingerprint => Ok(Some(stored.into())),
            Some(_) => Err(Refusal::KeyReused.into()),
        }
    }

    /// The response to store.
    pub(crate) fn reply(&self, is_done: bool, order: &Order) -> Result<StoredReply, Fault> {
        StoredReply::of_order(&self.fingerprint, is_done, order)
    }

    /// The response to store with a payment attempt that decides it.
    pub(crate) fn pending(&self) -> PendingReply {
        PendingReply::Key { hash: self.hash.clone(), fingerprint: self.fingerprint.clone() }
    }
}
