//! `POST /orders/{orderId}/unassign` takes an order from its rider (배정 취소): it waits for another one.

use domain::{lifecycle::Command, order::Order};
use edge::{Access, Answer, Caller, Function, Method, Request, Role, Route};
use orders::moving::{MOVE_PROBLEMS, Move, MoveRefusal, move_order};
use store::Store;

/// `POST /orders/{orderId}/unassign`, for operators.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/unassign",
    Access::Roles(&[Role::Operator]),
    "Takes an order from its rider: another one may pick it up (배정 취소)",
)
.idempotent_by_key()
.answers::<events::Order>()
.problems(MOVE_PROBLEMS);

/// The function `unassign-order`.
pub fn function() -> Function {
    Function::http("unassign-order", &[ROUTE], crate::open, handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, MoveRefusal> {
    let order_id = request.path("orderId")?;
    let concerns = |_: &Caller, _: &Order| true;
    let asked = Move { order_id, name: "unassign", meaning: "", concerns };
    move_order(&store, &request, asked, |_| Command::Unassign).await
}
