//! `PUT /api/v1/admin/products/{productId}` puts a product on sale or changes what is known of it. Its stock is left as
//! it is; a new product has none.

use crate::Product;
use domain::{
    Fault, ProductId, StoreId,
    product::{self, InvalidPrice, Price, ProductStatus},
};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Role, Route, WholeNumber};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{NotCommitted, Store, Transaction, products::Stocked};

/// How often the product is read anew when somebody else put it in between.
const ROUNDS: usize = 4;

const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 2_000;
/// The longest category, in characters.
pub const MAX_CATEGORY: usize = 64;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/products/{productId}",
    Access::Roles(&[Role::Operator]),
    "Puts a product on sale or changes it (상품 등록·수정); a new one has no stock",
)
.takes::<PutProduct>()
.answers::<Product>()
.problems(&[(400, "invalid-price", "the price is not 0 to 10^9")]);

/// The function.
pub fn function() -> Function {
    Function::http("put-product", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// What a product is to be; what is left out is not kept from before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PutProduct {
    /// The name customers read, 1 to 200 characters.
    name: String,
    /// The category it is listed under, 1 to 64 characters.
    category: String,
    /// A longer text, at most 2,000 characters.
    description: Option<String>,
    /// The price of one unit in won: 0 to 10^9.
    price: WholeNumber,
    /// The store that makes it; its orders are delivered.
    store_id: Option<StoreId>,
    /// Whether it can be ordered; ACTIVE if left out.
    status: Option<ProductStatus>,
}

/// Why a product is not put.
#[derive(Debug, thiserror::Error)]
pub enum PutRefusal {
    /// The price is out of range.
    #[error(transparent)]
    InvalidPrice(#[from] InvalidPrice),
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for PutRefusal {
    fn details(&self) -> Details {
        match self {
            Self::InvalidPrice(_) => Details::new(400, "invalid-price"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, PutRefusal> {
    let product = request.json::<PutProduct>()?.into_product(request.path("productId")?)?;
    let store = store.until(request.deadline);
    for _ in 0..ROUNDS {
        let (quantity, version) = match store.product(&product.product_id).await? {
            Some(Stocked { quantity, version, .. }) => (quantity, version),
            None => (0, 0),
        };
        let transaction = Transaction::default()
            .with(store.put_info(&product, version)?, PutMeanwhile)
            .with(store.put_stock(&product, version == 0), PutMeanwhile);
        match transaction.commit(&store).await {
            Ok(()) => return Ok(Answer::ok(&Product::from(Stocked { product, quantity, version }))),
            Err(NotCommitted::Refused(_)) => {}
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::busy("the product is put by others all the time").into())
}

/// Somebody else put the product since it was read: look again.
#[derive(Debug)]
struct PutMeanwhile;

impl PutProduct {
    fn into_product(self, product_id: ProductId) -> Result<product::Product, PutRefusal> {
        check_length("name", &self.name, 1, MAX_NAME)?;
        check_length("category", &self.category, 1, MAX_CATEGORY)?;
        check_length("description", self.description.as_deref().unwrap_or_default(), 0, MAX_DESCRIPTION)?;
        Ok(product::Product {
            product_id,
            name: self.name,
            category: self.category,
            description: self.description,
            price: Price::try_from(self.price.0)?,
            status: self.status.unwrap_or_default(),
            store_id: self.store_id,
        })
    }
}

fn check_length(field: &str, text: &str, least: usize, most: usize) -> Result<(), Rejected> {
    if (least..=most).contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(Rejected::field(field, format!("must be {least} to {most} characters")))
    }
}
