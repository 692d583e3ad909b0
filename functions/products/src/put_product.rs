//! `PUT /api/v1/admin/products/{productId}` puts a product on sale or replaces what is known of it. Its stock is left as it is; a
//! new product has none. Its store stays, too: without it, orders would be paid that no kitchen sees.

use crate::Product;
use domain::{
    Failure, Fault, ProductId, Refusal, RefusalKind, Role, StoreId, Timestamp,
    number::WholeNumber,
    product::{self, Price, ProductStatus},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{CommitError, Store, Transaction, products::StockedProduct};

/// How often the product is read anew when somebody else put it in between.
const ATTEMPTS: usize = 4;

pub(crate) const MAX_NAME: usize = 200;
pub(crate) const MAX_DESCRIPTION: usize = 2_000;
/// The longest category, in characters.
pub const MAX_CATEGORY: usize = 64;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/products/{productId}",
    Access::Roles(&[Role::Operator]),
    "Puts a product on sale or changes it (상품 등록·수정); a new one has no stock",
)
.request_body::<PutProduct>()
.response::<Product>()
.problems(&[RefusalKind::InvalidPrice, RefusalKind::NotChangeable]);

/// The function.
pub fn function() -> Function {
    Function::http("put-product", &[ROUTE], handle)
}

/// What a product is to be; what is left out is not kept from before, but for its store.
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
    /// The store that makes it; its orders are delivered. It never changes: left out, it stays.
    store_id: Option<StoreId>,
    /// Whether it can be ordered; ACTIVE if left out.
    status: Option<ProductStatus>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let wanted = request.json::<PutProduct>()?.into_product(request.path("productId")?, request.now)?;
    let store = store.until(request.deadline);
    for _ in 0..ATTEMPTS {
        let mut product = wanted.clone();
        let seen = store.products().get(&product.product_id).await?;
        if let Some(StockedProduct { product: known, .. }) = &seen {
            if product.store_id.is_some() && product.store_id != known.store_id {
                return Err(Refusal::NotChangeable { field: "storeId" }.into());
            }
            product = product::Product { store_id: known.store_id.clone(), created_at: known.created_at, ..product };
        }
        let (quantity, version) = seen.map_or((0, 0), |seen| (seen.quantity, seen.version));
        if put(&store, &product, version).await? {
            return Ok(Response::ok(&Product::from(StockedProduct { product, quantity, version })));
        }
    }
    Err(Fault::busy("the product is put by others all the time").into())
}

/// Puts a product, if nobody put it since the version that was seen (0: if nobody ever did); tells whether that was so.
pub(crate) async fn put(store: &Store, product: &product::Product, seen_version: i64) -> Result<bool, Fault> {
    let transaction = Transaction::default()
        .with(store.products().put(product, seen_version)?, PutMeanwhile)
        .with(store.stock().put(product, seen_version == 0), PutMeanwhile);
    match transaction.commit(store).await {
        Ok(()) => Ok(true),
        Err(CommitError::Failed(_)) => Ok(false),
        Err(CommitError::Fault(fault)) => Err(fault),
    }
}

/// Somebody else put the product since it was read: look again.
#[derive(Debug)]
struct PutMeanwhile;

impl PutProduct {
    fn into_product(self, product_id: ProductId, now: Timestamp) -> Result<product::Product, Failure> {
        check_length("name", &self.name, 1, MAX_NAME)?;
        check_length("category", &self.category, 1, MAX_CATEGORY)?;
        check_length("description", self.description.as_deref().unwrap_or_default(), 0, MAX_DESCRIPTION)?;
        Ok(product::Product {
            product_id,
            name: self.name,
            category: self.category,
            description: self.description,
            price: Price::try_from(self.price.0).map_err(|_| Refusal::InvalidPrice)?,
            status: self.status.unwrap_or_default(),
            store_id: self.store_id,
            created_at: now,
            updated_at: now,
        })
    }
}

pub(crate) fn check_length(field: &str, text: &str, least: usize, most: usize) -> Result<(), Refusal> {
    if (least..=most).contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(Refusal::field(field, format!("must be {least} to {most} characters")))
    }
}
