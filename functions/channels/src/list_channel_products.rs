//! `GET /api/v1/admin/products` lists products: those that one channel lists, or all, our own first
//! (채널 상품 목록).

use crate::channel_response::ChannelProductResponse;
use domain::{ChannelId, Failure, Fault, ProductId, Refusal, RefusalKind, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Page, PageRequest, Store,
    products::{Listing, StockedProduct},
};

/// `GET /api/v1/admin/products`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/products",
    Access::Roles(&[Role::Operator]),
    "Lists products: those that one channel lists, or all, our own first (채널 상품 목록)",
)
.query(&[
    ("channelId", "only products of this channel"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<ChannelProducts>()
.problems(&[RefusalKind::NotFound]);

/// The `list-channel-products` handler.
pub fn function() -> Function {
    Function::http("list-channel-products", const { &[ROUTE.served()] }, handle)
}

/// A page of products.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelProducts {
    /// The products.
    products: Vec<ChannelProductResponse>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A position in the list of all products: the channel and the id of the last product. Our own
/// products have no channel.
fn place(channel: Option<&ChannelId>, last: &str) -> String {
    format!("{}/{last}", channel.map_or("", ChannelId::as_str))
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let only: Option<ChannelId> = request.query("channelId")?;
    let (limit, after) = request.page::<String>()?;
    let store = store.until(request.deadline);
    let after = after.map(|place| read_place(&place)).transpose()?;
    let page = if let Some(id) = only {
        store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
        let after = after.map(|(_, last)| last.to_string());
        of_channel(&store, &id, &PageRequest { limit, after }).await?
    } else {
        of_all(&store, limit, after).await?
    };
    Ok(Response::ok(&ChannelProducts {
        products: page.entries,
        next_cursor: Response::cursor(page.next.as_deref()),
    }))
}

fn read_place(place: &str) -> Result<(Option<ChannelId>, ProductId), Refusal> {
    let invalid_cursor = || Refusal::field("cursor", "is not one of ours");
    let (channel, last) = place.split_once('/').ok_or_else(invalid_cursor)?;
    let channel = (!channel.is_empty())
        .then(|| ChannelId::parse(channel))
        .transpose()
        .map_err(|_| invalid_cursor())?;
    Ok((channel, ProductId::parse(last).map_err(|_| invalid_cursor())?))
}

/// Fills a page with our own products, then with those of each channel.
async fn of_all(
    store: &Store,
    limit: u16,
    after: Option<(Option<ChannelId>, ProductId)>,
) -> Result<Page<ChannelProductResponse>, Fault> {
    let mut page = Page { entries: Vec::new(), next: None };
    let (from, mut last) = match after {
        None => (None, None),
        Some((from, last)) => (from, Some(last.to_string())),
    };
    if from.is_none() {
        let ours = store
            .products()
            .list(&Listing::Everything, &PageRequest { limit, after: last.take() })
            .await?;
        page.entries.extend(ours.entries.into_iter().map(our_product));
        if let Some(next) = ours.next {
            return Ok(Page { next: Some(place(None, &next)), ..page });
        }
    }
    for channel in store.channels().all().await? {
        let id = channel.channel_id;
        if from.as_ref().is_some_and(|from| id < *from) {
            continue;
        }
        let room = usize::from(limit).saturating_sub(page.entries.len());
        if room == 0 {
            let last = page.entries.last().and_then(|last| {
                Some((
                    last.channel_id.as_ref(),
                    last.external_id.as_ref().or(last.product_id.as_ref())?,
                ))
            });
            return Ok(Page {
                next: last.map(|(channel, last)| place(channel, last.as_str())),
                ..page
            });
        }
        let after = last.take().filter(|_| from.as_ref() == Some(&id));
        let theirs = PageRequest { limit: u16::try_from(room).unwrap_or(limit), after };
        let theirs = of_channel(store, &id, &theirs).await?;
        page.entries.extend(theirs.entries);
        if theirs.next.is_some() {
            return Ok(Page { next: theirs.next, ..page });
        }
    }
    Ok(page)
}

async fn of_channel(
    store: &Store,
    id: &ChannelId,
    page: &PageRequest,
) -> Result<Page<ChannelProductResponse>, Fault> {
    let page = store.channel_products().list(id, page).await?;
    let products: Vec<ProductId> =
        page.entries.iter().map(|product| product.external_id.clone()).collect();
    let mappings = store.channel_products().mappings_of(id, &products).await?;
    let answers = page.entries.into_iter().map(|product| {
        let mapping = mappings.get(&product.external_id);
        ChannelProductResponse::of(product, mapping)
    });
    Ok(Page { entries: answers.collect(), next: page.next.map(|last| place(Some(id), &last)) })
}

fn our_product(
    StockedProduct { product, quantity, version: _ }: StockedProduct,
) -> ChannelProductResponse {
    ChannelProductResponse {
        channel_id: None,
        external_id: None,
        product_id: Some(product.product_id),
        name: product.name,
        status: product.status.to_string(),
        price: Some(product.price.won()),
        stock: Some(quantity),
        stock_error: None,
    }
}
