//! `POST /orders/{orderId}/start-cooking` says that a store has begun to cook (요리 시작): from now on the order cannot be called off.

use domain::lifecycle::Command;
use edge::{Access, Answer, Function, Method, Request, Role, Route};
use orders::moving::{MOVE_PROBLEMS, Move, MoveRefusal, move_order};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/start-cooking",
    Access::Roles(&[Role::Store, Role::Operator]),
    "The store begins to cook (요리 시작)",
)
.idempotent_by_key()
.answers::<events::Order>()
.problems(MOVE_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("start-cooking", &[ROUTE], crate::open, handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, MoveRefusal> {
    let order_id = request.path("orderId")?;
    let asked = Move { order_id, name: "start-cooking", meaning: "", concerns: crate::is_made_by };
    move_order(&store, &request, asked, |_| Command::StartCooking).await
}
