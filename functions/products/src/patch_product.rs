//! `PATCH /api/v1/admin/products/{productId}` changes the given fields of a product (상품 수정).
//! Omitted fields stay unchanged.

use crate::{
    Product,
    put_product::{MAX_CATEGORY, MAX_DESCRIPTION, MAX_NAME, check_length, put},
};
use domain::{
    Failure, ProductId, Refusal, RefusalKind, Role,
    number::WholeNumber,
    product::{self, Price, ProductStatus},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store,
    optimistic::{SELDOM_CHANGED, optimistically},
    products::StockedProduct,
};

/// `PATCH /api/v1/admin/products/{productId}`.
pub const ROUTE: Route = Route::new(
    Method::Patch,
    "/api/v1/admin/products/{productId}",
    Access::Roles(&[Role::Operator]),
    "Changes the given fields of a product (상품 수정)",
)
.request_body::<PatchProduct>()
.response::<Product>()
.problems(&[RefusalKind::InvalidPrice, RefusalKind::InvalidProduct]);

/// The `patch-product` handler.
pub fn function() -> Function {
    Function::http("patch-product", const { &[ROUTE.served()] }, handle)
}

/// The fields to change.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct PatchProduct {
    /// The name that customers see, 1 to 200 characters.
    name: Option<String>,
    /// The category under which the product is listed, 1 to 64 characters.
    category: Option<String>,
    /// The price of one unit in won: 0 to 10^9.
    price: Option<WholeNumber>,
    /// The description, at most 2,000 characters. An empty text removes it.
    description: Option<String>,
    /// Whether the product can be ordered.
    status: Option<ProductStatus>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let product_id: ProductId = request.path("productId")?;
    let patch: PatchProduct = request.json()?;
    let PatchProduct { name, category, price, description, status } = patch;
    check_length("name", name.as_deref().unwrap_or("-"), 1, MAX_NAME)?;
    check_length("category", category.as_deref().unwrap_or("-"), 1, MAX_CATEGORY)?;
    check_length("description", description.as_deref().unwrap_or_default(), 0, MAX_DESCRIPTION)?;
    let price = price
        .map(|price| Price::try_from(price.0).map_err(|_| Refusal::InvalidPrice))
        .transpose()?;
    let store = store.until(request.deadline);
    optimistically(SELDOM_CHANGED, || async {
        let seen = store.products().get(&product_id).await?;
        let StockedProduct { product: known, quantity, version } =
            seen.ok_or_else(|| Refusal::InvalidProduct { product_id: product_id.clone() })?;
        let product = product::Product {
            name: name.clone().unwrap_or(known.name),
            category: category.clone().unwrap_or(known.category),
            price: price.unwrap_or(known.price),
            description: description.clone().or(known.description).filter(|text| !text.is_empty()),
            status: status.unwrap_or(known.status),
            updated_at: request.now,
            ..known
        };
        put(&store, StockedProduct { product, quantity, version }).await
    })
    .await
}
