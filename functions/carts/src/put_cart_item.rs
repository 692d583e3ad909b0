//! `PUT /carts/{customerId}/items/{productId}` puts so many of a product into a cart, however many there were before.

use domain::{
    CustomerId, Fault, ProductId,
    basket::{InvalidQuantity, MAX_PRODUCTS, Quantity},
};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Role, Route, WholeNumber};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{NotCommitted, Store, Transaction, carts::CartLine};

/// How often the cart is read anew when something else was put into it in between.
const ROUNDS: usize = 8;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/carts/{customerId}/items/{productId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Puts a product into a cart for 30 days (장바구니 담기)",
)
.takes::<PutCartItem>()
.answers::<crate::Cart>()
.problems(&[
    (400, "invalid-quantity", "the quantity is not 1 to 9,999"),
    (400, "invalid-product", "there is no such product"),
    (409, "cart-full", "there are 30 other products in the cart"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("put-cart-item", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// How many are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutCartItem {
    /// 1 to 9,999.
    quantity: WholeNumber,
}

/// Why nothing is put into a cart.
#[derive(Debug, thiserror::Error)]
pub enum PutItemRefusal {
    /// The quantity is out of range.
    #[error(transparent)]
    InvalidQuantity(#[from] InvalidQuantity),
    /// There is no such product.
    #[error("There is no product {0}.")]
    InvalidProduct(ProductId),
    /// There are too many other products.
    #[error("A cart has at most {MAX_PRODUCTS} products.")]
    CartFull,
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for PutItemRefusal {
    fn details(&self) -> Details {
        match self {
            Self::InvalidQuantity(_) => Details::new(400, "invalid-quantity"),
            Self::InvalidProduct(product) => Details::new(400, "invalid-product").with("productId", product),
            Self::CartFull => Details::new(409, "cart-full"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, PutItemRefusal> {
    let (customer, product_id): (CustomerId, ProductId) = (request.path("customerId")?, request.path("productId")?);
    request.caller.must_be(&customer)?;
    let quantity = Quantity::try_from(request.json::<PutCartItem>()?.quantity.0)?;
    let store = store.until(request.deadline);
    if store.product(&product_id).await?.is_none() {
        return Err(PutItemRefusal::InvalidProduct(product_id));
    }
    for _ in 0..ROUNDS {
        let mut cart = store.cart(&customer, request.now).await?;
        let place = cart.lines.binary_search_by(|line| line.product_id.cmp(&product_id));
        if place.is_err() && cart.lines.len() >= MAX_PRODUCTS {
            return Err(PutItemRefusal::CartFull);
        }
        let line = CartLine { product_id: product_id.clone(), quantity, put_at: request.now, put_in: cart.version + 1 };
        // Counting each change keeps two that come together from filling a cart beyond its limit.
        let put = Transaction::default()
            .with(store.count_cart_change(&customer, &cart, request.now), ())
            .with(store.put_cart_line(&customer, &line)?, ());
        match put.commit(&store).await {
            Ok(()) => {
                match place {
                    Ok(place) => cart.lines[place] = line,
                    Err(place) => cart.lines.insert(place, line),
                }
                return Ok(Answer::ok(&crate::shown(&store, customer, cart).await?));
            }
            Err(NotCommitted::Refused(_)) => {}
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::busy("the cart changes faster than something can be put into it").into())
}
