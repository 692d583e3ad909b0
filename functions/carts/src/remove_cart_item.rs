//! `DELETE /carts/{customerId}/items/{productId}` removes a product from a cart (장바구니 빼기). It also
//! succeeds if the product is not in the cart.

use domain::{CustomerId, Failure, ProductId, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `DELETE /carts/{customerId}/items/{productId}`.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/carts/{customerId}/items/{productId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Removes a product from a cart (장바구니 빼기)",
)
.successes(&[(204, "The product is not in the cart")]);

/// The `remove-cart-item` handler.
pub fn function() -> Function {
    Function::http("remove-cart-item", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let (customer, product): (CustomerId, ProductId) =
        (request.path("customerId")?, request.path("productId")?);
    request.caller.must_be(&customer)?;
    store.until(request.deadline).carts().remove_lines(&customer, &[product]).await?;
    Ok(Response::no_content())
}
