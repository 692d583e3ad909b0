//! `GET /carts/{customerId}` shows a cart (장바구니).

use domain::{CustomerId, Failure, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `GET /carts/{customerId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/carts/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Shows a cart with current prices and stock (장바구니)",
)
.response::<crate::Cart>();

/// The `get-cart` handler.
pub fn function() -> Function {
    Function::http("get-cart", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let store = store.until(request.deadline);
    let cart = store.carts().get(&customer, request.now).await?;
    Ok(Response::ok(&crate::shown(&store, customer, cart).await?))
}
