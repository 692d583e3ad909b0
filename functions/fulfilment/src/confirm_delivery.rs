//! `POST /orders/{orderId}/confirm-delivery` lets a customer say that they have got their order (배송 확인): it is complete, and
//! counts for their grade.

use domain::lifecycle::Command;
use edge::{Access, Answer, Function, Method, Request, Role, Route};
use orders::moving::{MOVE_PROBLEMS, Move, MoveRefusal, move_order};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/confirm-delivery",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "The customer has got the order (배송 확인); it counts for their grade",
)
.idempotent_by_key()
.answers::<events::Order>()
.problems(MOVE_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("confirm-delivery", &[ROUTE], crate::open, handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, MoveRefusal> {
    let order_id = request.path("orderId")?;
    let asked = Move { order_id, name: "confirm-delivery", meaning: "", concerns: orders::moving::is_of_customer };
    move_order(&store, &request, asked, |_| Command::ConfirmDelivery).await
}
