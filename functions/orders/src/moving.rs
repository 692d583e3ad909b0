//! How an order is moved by somebody's command: the order as it stands decides, and everything that the move means is written
//! in one transaction that asserts it still stands so. Of two who move it at once one is told what the other made of it.

use crate::{KeyReused, Keyed};
use domain::{
    EntryId, Fault, OrderId,
    lifecycle::{Command, WrongStatus},
    order::{Order, Status},
};
use edge::{Answer, Caller, Details, Problem, ProblemDoc, Rejected, Request};
use store::{
    Store,
    changes::{NotChanged, Unmet},
    orders::PlacedOrder,
    riders::MAX_OPEN_DELIVERIES,
};

/// How often the order is read anew when it changed in between.
const ROUNDS: usize = 4;

/// Why an order is not moved, for the API's document.
pub const MOVE_PROBLEMS: &[ProblemDoc] = &[
    (404, "not-found", "there is no such order that the caller may know of"),
    (409, "wrong-status", "the order stands elsewhere: `orderStatus`; it would have to be one of `expected`"),
    (409, "balance-limit", "the balance has no room for the points that come back"),
    (422, "idempotency-key-reused", "the key was used for another request"),
];

/// A move that is asked for.
#[derive(Debug, Clone)]
pub struct Move<'a> {
    /// Which order.
    pub order_id: OrderId,
    /// What is done, as the last part of the route's path says it.
    pub name: &'static str,
    /// What the request means besides the order that it names.
    pub meaning: &'a str,
    /// Whether an order is any of the caller's business.
    pub concerns: fn(&Caller, &Order) -> bool,
}

/// Why an order is not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveRefusal {
    /// It stands elsewhere.
    #[error("The order is {is}: this cannot be done to it now.")]
    WrongStatus {
        /// Where it stands.
        is: Status,
        /// Where it would have to stand.
        expected: &'static [Status],
    },
    /// The points that come back would be too many.
    #[error("The balance has no room for the points that come back.")]
    BalanceLimit,
    /// The rider has as many orders as may be.
    #[error("A rider may have at most {MAX_OPEN_DELIVERIES} open deliveries. Deliver one of them first.")]
    TooManyDeliveries,
    /// The key stands for another request.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<WrongStatus> for MoveRefusal {
    fn from(WrongStatus { is, expected }: WrongStatus) -> Self {
        Self::WrongStatus { is, expected }
    }
}

impl Problem for MoveRefusal {
    fn details(&self) -> Details {
        match self {
            Self::WrongStatus { is, expected } => {
                Details::new(409, "wrong-status").with("orderStatus", is).with("expected", expected)
            }
            Self::BalanceLimit => Details::new(409, "balance-limit"),
            Self::TooManyDeliveries => Details::new(409, "too-many-deliveries").with("limit", MAX_OPEN_DELIVERIES),
            Self::KeyReused(_) => Details::new(422, "idempotency-key-reused"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

/// Moves an order, and answers with it. `command` is given the entry by which points would come back.
pub async fn move_order(
    store: &Store,
    request: &Request,
    Move { order_id, name, meaning, concerns }: Move<'_>,
    command: impl Fn(EntryId) -> Command,
) -> Result<Answer, MoveRefusal> {
    let keyed = Keyed::of(request, name, &order_id, meaning)?;
    let store = store.until(request.deadline);
    for _ in 0..ROUNDS {
        // Whose order it is comes first: nobody hears another's answer, whatever the key.
        let before = store.order(&order_id).await?.filter(|placed| concerns(&request.caller, &placed.order));
        let before = before.ok_or(Rejected::NotFound)?;
        if let Some(keyed) = &keyed
            && let Some(answer) = keyed.again::<MoveRefusal>(&store).await?
        {
            // A rider who does not have it any more does not hear from an old answer where it goes.
            let has_lost_it =
                matches!(&request.caller, Caller::Rider(rider) if before.order.state.rider_on_the_way() != Some(rider));
            let again = || Answer::ok(&shown_to(&request.caller, &before.order)).replayed();
            return Ok(if has_lost_it { again() } else { answer });
        }
        let command = command(EntryId::from_ulid(request.ulid()));
        let event = before.order.decide(command, request.caller.actor(), request.now)?;
        let after = PlacedOrder { order: before.order.clone().apply(&event), ..before.clone() };
        let mut change = store.change(&before.order, &after)?;
        if let Some(keyed) = &keyed {
            let kept = store.put_reply(&keyed.hash, &keyed.reply(200, &after.order)?)?;
            change = change.with(kept, Unmet::Changed);
        }
        match store.commit_change(change).await {
            Ok(()) => return Ok(Answer::ok(&shown_to(&request.caller, &after.order))),
            Err(NotChanged::Stale) => {}
            Err(NotChanged::BalanceFull) => return Err(MoveRefusal::BalanceLimit),
            Err(NotChanged::RiderFull) => return Err(MoveRefusal::TooManyDeliveries),
            Err(other) => return Err(other.into_fault().into()),
        }
    }
    Err(Fault::busy("the order changes faster than it can be moved").into())
}

/// An order as its caller may see it: a rider sees to whom it goes while they have it.
pub fn shown_to(caller: &Caller, order: &Order) -> events::Order {
    let shown = events::Order::from(order);
    match caller {
        Caller::Rider(rider) if order.state.rider_on_the_way() != Some(rider) => {
            events::Order { delivery: None, ..shown }
        }
        Caller::Rider(_)
        | Caller::Anyone
        | Caller::Customer(_)
        | Caller::Store(_)
        | Caller::Partner
        | Caller::Operator => shown,
    }
}

/// Whether an order is the caller's own, or the caller is an operator.
pub fn is_of_customer(caller: &Caller, order: &Order) -> bool {
    caller.must_be(&order.customer_id).is_ok()
}
