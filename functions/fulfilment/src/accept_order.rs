//! `POST /orders/{orderId}/accept` lets a store take a paid order (수락).

use domain::lifecycle::Command;
use edge::{Access, Answer, Function, Method, Request, Role, Route};
use orders::moving::{MOVE_PROBLEMS, Move, MoveRefusal, move_order};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/accept",
    Access::Roles(&[Role::Store, Role::Operator]),
    "The store takes a paid order (수락)",
)
.idempotent_by_key()
.answers::<events::Order>()
.problems(MOVE_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("accept-order", &[ROUTE], crate::open, handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, MoveRefusal> {
    let order_id = request.path("orderId")?;
    let asked = Move { order_id, name: "accept", meaning: "", concerns: crate::is_made_by };
    move_order(&store, &request, asked, |_| Command::Accept).await
}
