//! `GET /products/{productId}` shows a product and how many are left (상품 조회).

use crate::Product;
use domain::{Fault, ProductId};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Route};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/products/{productId}",
    Access::Public,
    "Shows a product and how many are left (상품 조회)",
)
.answers::<Product>()
.problems(&[crate::INVALID_PRODUCT]);

/// The function.
pub fn function() -> Function {
    Function::http("get-product", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// Why a product is not shown.
#[derive(Debug, thiserror::Error)]
pub enum ProductRefusal {
    /// There is no such product.
    #[error("There is no product {0}.")]
    InvalidProduct(ProductId),
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for ProductRefusal {
    fn details(&self) -> Details {
        match self {
            Self::InvalidProduct(product) => Details::new(400, "invalid-product").with("productId", product),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, ProductRefusal> {
    let product_id = request.path("productId")?;
    let stocked = store.until(request.deadline).product(&product_id).await?;
    let stocked = stocked.ok_or(ProductRefusal::InvalidProduct(product_id))?;
    Ok(Answer::ok(&Product::from(stocked)))
}
