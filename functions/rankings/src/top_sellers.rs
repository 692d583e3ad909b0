//! `GET /products/top-sellers` tells the five products that sold best in the last 72 hours (인기 상품), as last counted.

use domain::{Failure, ProductId, Timestamp, Won, sales::WINDOW};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/products/top-sellers",
    Access::Public,
    "Tells the five best sellers of 72 hours (인기 상품)",
)
.response::<Ranking>();

/// The function.
pub fn function() -> Function {
    Function::http("top-sellers", &[ROUTE], handle)
}

/// The best sellers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ranking {
    /// When they were counted.
    as_of: Timestamp,
    /// How far back.
    window_hours: u64,
    /// The most sold first; at most five.
    products: Vec<Ranked>,
}

/// One of the best sellers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    /// 1 for the most sold.
    rank: usize,
    /// Which product.
    product_id: ProductId,
    /// Its name.
    name: String,
    /// Its category.
    category: String,
    /// Its price.
    price: Won,
    /// Units sold, net of orders that were called off.
    sold_quantity: i64,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    // Before the first count, nothing has sold as far as anybody knows.
    let counted = store.until(request.deadline).sales().top_sellers().await?;
    let (as_of, products) = counted.map_or((request.now, Vec::new()), |top| (top.as_of, top.products));
    let ranked = |(place, product): (usize, store::sales::TopSeller)| Ranked {
        rank: place + 1,
        product_id: product.product_id,
        name: product.name,
        category: product.category,
        price: product.price,
        sold_quantity: product.sold_quantity,
    };
    let products = products.into_iter().enumerate().map(ranked).collect();
    Ok(Response::ok(&Ranking { as_of, window_hours: WINDOW.as_secs() / 3600, products }))
}
