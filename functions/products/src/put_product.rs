//! `PUT /api/v1/admin/products/{productId}` creates a product or replaces its data (상품 등록·수정). Its
//! stock stays unchanged; a new product has none. Its store cannot be changed either: without the
//! store, orders would be paid that no kitchen sees.

use crate::Product;
use domain::{
    Failure, ProductId, Refusal, RefusalKind, Role, StoreId, Timestamp,
    number::WholeNumber,
    product::{self, Price, ProductStatus},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store, Transaction,
    optimistic::{Attempted, SELDOM_CHANGED, optimistically},
    products::StockedProduct,
};

pub(crate) const MAX_NAME: usize = 200;
pub(crate) const MAX_DESCRIPTION: usize = 2_000;
/// The longest category, in characters.
pub const MAX_CATEGORY: usize = 64;

/// `PUT /api/v1/admin/products/{productId}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/products/{productId}",
    Access::Roles(&[Role::Operator]),
    "Creates a product or replaces its data (상품 등록·수정); a new product has no stock",
)
.request_body::<PutProduct>()
.response::<Product>()
.problems(&[RefusalKind::InvalidPrice, RefusalKind::NotChangeable]);

/// The `put-product` handler.
pub fn function() -> Function {
    Function::http("put-product", const { &[ROUTE.served()] }, handle)
}

/// The data of a product. An omitted optional field is cleared or set to its default, except for
/// the store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PutProduct {
    /// The name that customers see, 1 to 200 characters.
    name: String,
    /// The category under which the product is listed, 1 to 64 characters.
    category: String,
    /// The description, at most 2,000 characters.
    description: Option<String>,
    /// The price of one unit in won: 0 to 10^9.
    price: WholeNumber,
    /// The store that prepares the product. Orders of it are delivered by riders. The store cannot
    /// be changed; if omitted, it stays unchanged.
    store_id: Option<StoreId>,
    /// Whether the product can be ordered; `ACTIVE` if omitted.
    status: Option<ProductStatus>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let requested =
        request.json::<PutProduct>()?.into_product(request.path("productId")?, request.now)?;
    let store = store.until(request.deadline);
    optimistically(SELDOM_CHANGED, || async {
        let mut product = requested.clone();
        let seen = store.products().get(&product.product_id).await?;
        if let Some(StockedProduct { product: known, .. }) = &seen {
            if product.store_id.is_some() && product.store_id != known.store_id {
                return Err(Refusal::NotChangeable { field: "storeId" }.into());
            }
            product = product::Product {
                store_id: known.store_id.clone(),
                created_at: known.created_at,
                ..product
            };
        }
        let (quantity, version) = seen.map_or((0, 0), |seen| (seen.quantity, seen.version));
        put(&store, StockedProduct { product, quantity, version }).await
    })
    .await
}

/// Writes a product, if its stored version is still the one given (0: it does not exist yet).
pub(crate) async fn put(
    store: &Store,
    changed: StockedProduct,
) -> Result<Attempted<Response>, Failure> {
    let StockedProduct { product, version, .. } = &changed;
    let is_written = Transaction::default()
        .with(store.products().put(product, *version)?, ())
        .with(store.stock().put(product, *version == 0), ())
        .commit_if_unchanged(store)
        .await?;
    Ok(Attempted::done_if(is_written, || Response::ok(&Product::from(changed))))
}

impl PutProduct {
    fn into_product(
        self,
        product_id: ProductId,
        now: Timestamp,
    ) -> Result<product::Product, Failure> {
        check_length("name", &self.name, 1, MAX_NAME)?;
        check_length("category", &self.category, 1, MAX_CATEGORY)?;
        check_length(
            "description",
            self.description.as_deref().unwrap_or_default(),
            0,
            MAX_DESCRIPTION,
        )?;
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

pub(crate) fn check_length(
    field: &str,
    text: &str,
    least: usize,
    most: usize,
) -> Result<(), Refusal> {
    if (least..=most).contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(Refusal::field(field, format!("must be {least} to {most} characters")))
    }
}
