//! Transitions: changes of an order's status by somebody's command.
//!
//! The order as it was read decides whether the command is possible. Everything that follows from
//! the transition is written in one transaction, which asserts that the order has not changed. Of
//! two commands at once, one sees the other's result.

use crate::{
    access::{is_no_longer_with, visible_to},
    idempotency::KeyedRequest,
};
use domain::{
    Caller, Context, EntryId, Failure, Fault, IdempotencyKey, OrderId, Outcome, Refusal,
    RefusalKind,
    lifecycle::{Command, WrongStatus},
    order::Order,
    outcome::Reply,
};
use store::{
    Store,
    optimistic::{
        Attempted::{Conflict, Done},
        SELDOM_CHANGED, optimistically,
    },
    orders::PlacedOrder,
    riders::MAX_OPEN_DELIVERIES,
    transition::{TransitionCondition, TransitionError},
};

/// Why the status of an order is not changed.
pub const REFUSALS: &[RefusalKind] = &[
    RefusalKind::NotFound,
    RefusalKind::WrongStatus,
    RefusalKind::BalanceLimit,
    RefusalKind::KeyReused,
];

/// A transition that is requested.
#[derive(Debug, Clone)]
pub struct Transition<'a> {
    /// The order.
    pub order_id: OrderId,
    /// The name of the transition, such as `pick-up`.
    pub name: &'static str,
    /// What the request means besides its order: part of the fingerprint of an idempotency key.
    pub meaning: &'a str,
    /// Whether a caller may know of an order.
    pub may_request: fn(&Caller, &Order) -> bool,
}

/// Changes the status of an order, and returns the order after it. `command` takes the id of the
/// ledger entry by which points would be refunded.
pub async fn transition(
    store: &Store,
    context: &Context,
    key: Option<&IdempotencyKey>,
    Transition { order_id, name, meaning, may_request }: Transition<'_>,
    command: impl Fn(EntryId) -> Command,
) -> Result<Outcome<events::Order>, Failure> {
    let Context { caller, now, deadline, ids } = context;
    let keyed = key.map(|key| KeyedRequest::new(key, caller, name, &order_id, meaning));
    let store = store.until(*deadline);
    optimistically(SELDOM_CHANGED, || async {
        // Ownership comes first: nobody gets another caller's response, whatever the key.
        let before = store
            .orders()
            .get(&order_id)
            .await?
            .filter(|placed| may_request(caller, &placed.order));
        let before = before.ok_or(Refusal::NotFound)?;
        if let Some(keyed) = &keyed
            && let Some(reply) = keyed.first_reply(&store).await?
        {
            return Ok(Done(Outcome::Replayed(visible_reply(caller, &before.order, reply)?)));
        }
        let command = command(ids.entry());
        let event = before.order.decide(command, caller.actor(), *now).map_err(refusal)?;
        let after = PlacedOrder { order: before.order.clone().apply(&event), ..before.clone() };
        let mut change = store.orders().transition(&before.order, &after)?;
        if let Some(keyed) = &keyed {
            let reply = store.orders().put_reply(&keyed.hash, &keyed.reply(true, &after.order)?)?;
            change = change.with(reply, TransitionCondition::Unchanged);
        }
        match store.orders().commit(change).await {
            Ok(()) => return Ok(Done(Outcome::Done(visible_to(caller, &after.order)))),
            Err(TransitionError::Conflict) => {}
            Err(TransitionError::BalanceLimit) => return Err(Refusal::BalanceLimit.into()),
            Err(TransitionError::RiderLimit) => {
                return Err(Refusal::TooManyDeliveries { limit: MAX_OPEN_DELIVERIES }.into());
            }
            Err(other) => return Err(other.into_fault().into()),
        }
        Ok(Conflict(()))
    })
    .await
}

/// The first response without the address, if the caller no longer delivers the order.
fn visible_reply(caller: &Caller, order: &Order, reply: Reply) -> Result<Reply, Fault> {
    if is_no_longer_with(caller, order) {
        let body = serde_json::to_string(&visible_to(caller, order)).map_err(Fault::broken)?;
        Ok(Reply { body, ..reply })
    } else {
        Ok(reply)
    }
}

fn refusal(WrongStatus { is, expected }: WrongStatus) -> Refusal {
    Refusal::WrongStatus { order_status: is, expected }
}
