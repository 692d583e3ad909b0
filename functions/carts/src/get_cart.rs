//! `GET /carts/{customerId}` shows a cart (장바구니).

use domain::CustomerId;
use edge::{Access, Answer, Function, Method, Request, Role, Route, Unanswered};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/carts/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Shows a cart with prices and stock of this moment (장바구니)",
)
.answers::<crate::Cart>();

/// The function.
pub fn function() -> Function {
    Function::http("get-cart", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let store = store.until(request.deadline);
    let cart = store.cart(&customer, request.now).await?;
    Ok(Answer::ok(&crate::shown(&store, customer, cart).await?))
}
