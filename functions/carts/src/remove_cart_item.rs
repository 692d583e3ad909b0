//! `DELETE /carts/{customerId}/items/{productId}` takes a product out of a cart, whether or not it was there.

use domain::{CustomerId, Failure, ProductId, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/carts/{customerId}/items/{productId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Takes a product out of a cart (장바구니 빼기)",
)
.successes(&[(204, "It is not there, or not any more")]);

/// The function.
pub fn function() -> Function {
    Function::http("remove-cart-item", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let (customer, product): (CustomerId, ProductId) = (request.path("customerId")?, request.path("productId")?);
    request.caller.must_be(&customer)?;
    store.until(request.deadline).carts().remove_lines(&customer, &[product]).await?;
    Ok(Response::no_content())
}
