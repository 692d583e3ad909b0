//! `GET /products` lists products by id (상품 목록): all products, those of a category, of a store, or
//! of a category of a store.

use crate::{Product, put_product::MAX_CATEGORY};
use domain::{Failure, Fault, ProductId, Refusal, StoreId};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    PageRequest, Store,
    products::{Listing, StockedProduct},
};

/// `GET /products`.
pub const ROUTE: Route =
    Route::new(Method::Get, "/products", Access::Public, "Lists products by id (상품 목록)")
        .query(&[
            ("category", "only products of this category"),
            ("storeId", "only products of this store"),
            ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
            ("cursor", "`nextCursor` of the previous page"),
        ])
        .response::<Products>();

/// The `list-products` handler.
pub fn function() -> Function {
    Function::http("list-products", const { &[ROUTE.served()] }, handle)
}

/// A page of products.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Products {
    /// The products, by id.
    products: Vec<Product>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let category = request.query::<String>("category")?;
    if category
        .as_ref()
        .is_some_and(|category| !(1..=MAX_CATEGORY).contains(&category.chars().count()))
    {
        return Err(
            Refusal::field("category", format!("must be 1 to {MAX_CATEGORY} characters")).into()
        );
    }
    let (limit, after) = request.page::<ProductId>()?;
    let page = PageRequest { limit, after: after.map(|product| product.to_string()) };
    // A store has few products, so its listing is read and filtered by category.
    let (listing, filter) = match (request.query::<StoreId>("storeId")?, category) {
        (Some(store), category) => (Listing::Store(store), category),
        (None, Some(category)) => (Listing::Category(category), None),
        (None, None) => (Listing::Everything, None),
    };
    let store = store.until(request.deadline);
    let (products, next) = filtered_page(&store, &listing, page, filter.as_deref()).await?;
    Ok(Response::ok(&Products { products, next_cursor: Response::cursor(next.as_deref()) }))
}

/// A page of the products of a listing that are in a category, and the id of the last one if there
/// is a next page.
async fn filtered_page(
    store: &Store,
    listing: &Listing,
    page: PageRequest,
    category: Option<&str>,
) -> Result<(Vec<Product>, Option<String>), Fault> {
    let (limit, mut after) = (usize::from(page.limit), page.after);
    let mut found: Vec<StockedProduct> = Vec::new();
    loop {
        let part =
            store.products().list(listing, &PageRequest { limit: page.limit, after }).await?;
        found.extend(
            part.entries
                .into_iter()
                .filter(|one| category.is_none_or(|name| name == one.product.category)),
        );
        // With a filter, one product more than the page has is needed to know that there is a next
        // page.
        let is_complete =
            if category.is_none() { found.len() >= limit } else { found.len() > limit };
        if is_complete || part.next.is_none() {
            let has_more = found.len() > limit || part.next.is_some();
            found.truncate(limit);
            let last =
                found.last().filter(|_| has_more).map(|one| one.product.product_id.to_string());
            return Ok((found.into_iter().map(Product::from).collect(), last));
        }
        after = part.next;
    }
}
