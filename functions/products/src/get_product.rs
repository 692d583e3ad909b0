//! `GET /products/{productId}` shows a product and its stock (상품 조회).

use crate::Product;
use domain::{Failure, Refusal, RefusalKind};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `GET /products/{productId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/products/{productId}",
    Access::Public,
    "Shows a product and its stock (상품 조회)",
)
.response::<Product>()
.problems(&[RefusalKind::InvalidProduct]);

/// The `get-product` handler.
pub fn function() -> Function {
    Function::http("get-product", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let product_id = request.path("productId")?;
    let stocked = store.until(request.deadline).products().get(&product_id).await?;
    let stocked = stocked.ok_or(Refusal::InvalidProduct { product_id })?;
    Ok(Response::ok(&Product::from(stocked)))
}
