//! `DELETE /carts/{customerId}` empties a cart (장바구니 비우기). It also succeeds if the cart is empty.

use domain::{CustomerId, Failure, ProductId, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `DELETE /carts/{customerId}`.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/carts/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Empties a cart (장바구니 비우기)",
)
.successes(&[(204, "The cart is empty")]);

/// The `clear-cart` handler.
pub fn function() -> Function {
    Function::http("clear-cart", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let store = store.until(request.deadline);
    let lines = store.carts().get(&customer, request.now).await?.lines;
    let products: Vec<ProductId> = lines.into_iter().map(|line| line.product_id).collect();
    store.carts().remove_lines(&customer, &products).await?;
    Ok(Response::no_content())
}
