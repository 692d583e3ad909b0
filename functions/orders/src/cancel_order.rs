//! `POST /orders/{orderId}/cancel` calls an order off before it is cooked (주문 취소): stock, coupon and points are back
//! with it, in one transaction; a card's charge goes back through the gateway, and the order says when it has.

use crate::moving::{Move, MoveRefusal, is_of_customer, move_order};
use domain::{lifecycle::Command, order::Status};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Role, Route, checked_reason};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

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
    #[error("The order is {0} and cannot be cancelled.")]
    NotCancellable(Status),
    /// It is not moved for another reason.
    #[error(transparent)]
    NotMoved(MoveRefusal),
}

impl From<MoveRefusal> for CancelRefusal {
    fn from(refusal: MoveRefusal) -> Self {
        if let MoveRefusal::WrongStatus { is, .. } = refusal {
            Self::NotCancellable(is)
        } else {
            Self::NotMoved(refusal)
        }
    }
}

impl From<Rejected> for CancelRefusal {
    fn from(rejected: Rejected) -> Self {
        Self::NotMoved(rejected.into())
    }
}

impl Problem for CancelRefusal {
    fn details(&self) -> Details {
        match self {
            Self::NotCancellable(status) => Details::new(409, "not-cancellable").with("orderStatus", status),
            Self::NotMoved(refusal) => refusal.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, CancelRefusal> {
    let order_id = request.path("orderId")?;
    let CancelOrder { reason } = request.json_or_nothing()?;
    let reason = checked_reason(reason)?;
    let meaning = reason.as_deref().unwrap_or_default();
    let cancel = Move { order_id, name: "cancel", meaning, concerns: is_of_customer };
    Ok(move_order(&store, &request, cancel, |refund| Command::Cancel { reason: reason.clone(), refund }).await?)
}
