//! `GET /products/top-sellers` shows the five best-selling products of the last 72 hours, as of the
//! last count (인기 상품).

use domain::{Failure, ProductId, Timestamp, Won, sales::WINDOW};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// `GET /products/top-sellers`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/products/top-sellers",
    Access::Public,
    "Shows the five best-selling products of the last 72 hours (인기 상품)",
)
.response::<Ranking>();

/// The `top-sellers` handler.
pub fn function() -> Function {
    Function::http("top-sellers", const { &[ROUTE.served()] }, handle)
}

/// The best-selling products.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ranking {
    /// The time of the count.
    as_of: Timestamp,
    /// The length of the window in hours.
    window_hours: u64,
    /// The products, best-selling first; at most five.
    products: Vec<Ranked>,
}

/// One of the best-selling products.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    /// The rank; 1 is the best-selling product.
    rank: usize,
    /// The product's id.
    product_id: ProductId,
    /// The product's name.
    name: String,
    /// The product's category.
    category: String,
    /// The price of one unit in won.
    price: Won,
    /// Units sold, without those of cancelled orders.
    sold_quantity: i64,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    // The list is empty before the first count.
    let counted = store.until(request.deadline).sales().top_sellers().await?;
    let (as_of, products) =
        counted.map_or((request.now, Vec::new()), |top| (top.as_of, top.products));
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
