//! `POST /orders/{orderId}/finish-cooking` says that an order is cooked (요리 완료): riders nearby find it.

use domain::lifecycle::Command;
use edge::{Access, Answer, Function, Method, Request, Role, Route};
use orders::moving::{MOVE_PROBLEMS, Move, MoveRefusal, move_order};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/finish-cooking",
    Access::Roles(&[Role::Store, Role::Operator]),
    "The store has cooked; a rider may come (요리 완료)",
)
.idempotent_by_key()
.answers::<events::Order>()
.problems(MOVE_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("finish-cooking", &[ROUTE], crate::open, handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, MoveRefusal> {
    let order_id = request.path("orderId")?;
    let asked = Move { order_id, name: "finish-cooking", meaning: "", concerns: crate::is_made_by };
    move_order(&store, &request, asked, |_| Command::FinishCooking).await
}
