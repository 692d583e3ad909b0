//! `PUT /carts/{customerId}/items/{productId}` sets the quantity of a product in a cart (장바구니 담기),
//! whatever it was before.

use domain::{
    CustomerId, Failure, ProductId, Refusal, RefusalKind, Role,
    basket::{MAX_PRODUCTS, Quantity},
    number::WholeNumber,
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store, Transaction,
    carts::CartLine,
    optimistic::{
        Attempted::{Conflict, Done},
        OFTEN_CHANGED, optimistically,
    },
};

/// `PUT /carts/{customerId}/items/{productId}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/carts/{customerId}/items/{productId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Puts a product into a cart for 30 days (장바구니 담기)",
)
.request_body::<PutCartItem>()
.response::<crate::Cart>()
.problems(&[RefusalKind::InvalidQuantity, RefusalKind::InvalidProduct, RefusalKind::CartFull]);

/// The `put-cart-item` handler.
pub fn function() -> Function {
    Function::http("put-cart-item", const { &[ROUTE.served()] }, handle)
}

/// The quantity of a product in a cart.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutCartItem {
    /// The number of units: 1 to 9,999.
    quantity: WholeNumber,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let (customer, product_id): (CustomerId, ProductId) =
        (request.path("customerId")?, request.path("productId")?);
    request.caller.must_be(&customer)?;
    let quantity = Quantity::try_from(request.json::<PutCartItem>()?.quantity.0)
        .map_err(|_| Refusal::InvalidQuantity { product_id: product_id.clone() })?;
    let store = store.until(request.deadline);
    if store.products().get(&product_id).await?.is_none() {
        return Err(Refusal::InvalidProduct { product_id }.into());
    }
    optimistically(OFTEN_CHANGED, || async {
        let mut cart = store.carts().get(&customer, request.now).await?;
        let index = cart.lines.binary_search_by(|line| line.product_id.cmp(&product_id));
        if index.is_err() && cart.lines.len() >= MAX_PRODUCTS {
            return Err(Refusal::CartFull.into());
        }
        let line = CartLine {
            product_id: product_id.clone(),
            quantity,
            put_at: request.now,
            put_in: cart.version + 1,
        };
        // Each change increments the cart's version, so concurrent requests cannot exceed the limit
        // of the cart.
        let put = Transaction::default()
            .with(store.carts().count_change(&customer, &cart, request.now), ())
            .with(store.carts().put_line(&customer, &line)?, ());
        if !put.commit_if_unchanged(&store).await? {
            return Ok(Conflict(()));
        }
        match index {
            Ok(index) => cart.lines[index] = line,
            Err(index) => cart.lines.insert(index, line),
        }
        Ok(Done(Response::ok(&crate::shown(&store, customer.clone(), cart).await?)))
    })
    .await
}
