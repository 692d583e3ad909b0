//! `GET /products` lists products by id: all of them, a category's, a store's, or a store's of a category.

use crate::{Product, put_product::MAX_CATEGORY};
use domain::{ProductId, StoreId};
use edge::{Access, Answer, Function, Method, Rejected, Request, Route, Unanswered};
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store, products::Listing};

/// The route.
pub const ROUTE: Route = Route::new(Method::Get, "/products", Access::Public, "Lists products by id (상품 목록)")
    .query(&[
        ("category", "only products of this category"),
        ("storeId", "only products of this store"),
        ("limit", "products in a page, 1 to 100; 20 if left out; with both filters a page may have fewer"),
        ("cursor", "the nextCursor of the page before"),
    ])
    .answers::<Products>();

/// The function.
pub fn function() -> Function {
    Function::http("list-products", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// A page of products.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Products {
    /// The products, by id.
    products: Vec<Product>,
    /// Where the next page begins; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let category = request.query::<String>("category")?;
    if category.as_ref().is_some_and(|category| !(1..=MAX_CATEGORY).contains(&category.chars().count())) {
        return Err(Rejected::field("category", format!("must be 1 to {MAX_CATEGORY} characters")).into());
    }
    let (limit, after) = request.page::<ProductId>()?;
    let page = PageRequest { limit, after: after.map(|product| product.to_string()) };
    // A store has few products: its listing is read, and the category is sifted from it.
    let (listing, sifted) = match (request.query::<StoreId>("storeId")?, category) {
        (Some(store), category) => (Listing::Store(store), category),
        (None, Some(category)) => (Listing::Category(category), None),
        (None, None) => (Listing::Everything, None),
    };
    let page = store.until(request.deadline).list_products(&listing, &page).await?;
    let shown =
        page.entries.into_iter().filter(|stocked| sifted.as_ref().is_none_or(|c| *c == stocked.product.category));
    Ok(Answer::ok(&Products {
        products: shown.map(Product::from).collect(),
        next_cursor: Answer::cursor(page.next.as_deref()),
    }))
}
