//! `POST /orders/{orderId}/cancel` calls an order off before it is cooked (주문 취소): stock, coupon and points are back
//! with it, in one transaction; a card's charge goes back through the gateway, and the order says when it has.

use crate::{KeyReused, Keyed};
use domain::{
    EntryId, Fault, OrderId,
    lifecycle::Command,
    order::Status,
};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Role, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store,
    changes::{NotChanged, Unmet},
    orders::PlacedOrder,
};

/// How often the order is read anew when it changed in between.
const ROUNDS: usize = 4;

const MAX_REASON: usize = 200;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/cancel",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Calls an order off before it is cooked (주문 취소)",
)
.idempotent_by_key()
.takes::<CancelOrder>()
.answers::<events::Order>()
.problems(&[
    (404, "not-found", "there is no such order that the caller may know of"),
    (409, "not-cancellable", "the order is being cooked or sent, or has ended"),
    (409, "balance-limit", "the balance has no room for the points that come back"),
    (422, "idempotency-key-reused", "the key was used for another cancellation of this order"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("cancel-order", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// How an order is called off.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct CancelOrder {
    /// Why, in at most 200 characters.
    reason: Option<String>,
}

/// Why an order is not called off.
#[derive(Debug, thiserror::Error)]
pub enum CancelRefusal {
    /// It is too late.
    #[error("The order is {0:?} and cannot be cancelled.")]
    NotCancellable(Status),
    /// The points that come back would be too many.
    #[error("The balance has no room for the points that come back.")]
    BalanceLimit,
    /// The key stands for another cancellation.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for CancelRefusal {
    fn details(&self) -> Details {
        match self {
            Self::NotCancellable(status) => Details::new(409, "not-cancellable").with("orderStatus", status),
            Self::BalanceLimit => Details::new(409, "balance-limit"),
            Self::KeyReused(_) => Details::new(422, "idempotency-key-reused"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, CancelRefusal> {
    let order_id: OrderId = request.path("orderId")?;
    let CancelOrder { reason } = request.json_or_nothing()?;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return Err(Rejected::field("reason", format!("must be at most {MAX_REASON} characters")).into());
    }
    let keyed = Keyed::of(&request, "cancel", &order_id, reason.as_deref().unwrap_or_default())?;
    let store = store.until(request.deadline);
    for _ in 0..ROUNDS {
        if let Some(keyed) = &keyed
            && let Some(answer) = keyed.again::<CancelRefusal>(&store).await?
        {
            return Ok(answer);
        }
        let before = crate::file_of::<CancelRefusal>(&store, &order_id, &request.caller).await?.placed;
        let command = Command::Cancel { reason: reason.clone(), refund: EntryId::from_ulid(request.ulid()) };
        let cancelled = before.order.decide(command, request.caller.actor(), request.now);
        let cancelled = cancelled.map_err(|wrong| CancelRefusal::NotCancellable(wrong.is))?;
        let after = PlacedOrder { order: before.order.clone().apply(&cancelled), ..before.clone() };
        let mut change = store.change(&before.order, &after)?;
        if let Some(keyed) = &keyed {
            let kept = store.put_reply(&keyed.hash, &keyed.reply(200, &after.order)?)?;
            change = change.with(kept, Unmet::Changed);
        }
        match store.commit_change(change).await {
            Ok(()) => return Ok(Answer::ok(&events::Order::from(&after.order))),
            Err(NotChanged::Stale) => {}
            Err(NotChanged::BalanceFull) => return Err(CancelRefusal::BalanceLimit),
            Err(other) => return Err(other.into_fault().into()),
        }
    }
    Err(Fault::busy("the order changes faster than it can be cancelled").into())
}
