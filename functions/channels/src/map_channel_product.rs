//! `PUT /api/v1/admin/channels/{channelId}/products/{externalId}` maps a channel's product to one
//! of ours, or removes the mapping (채널 상품 매핑). While it is mapped, its orders reserve our
//! stock, and the channel receives our stock level.

use crate::{
    channel_response::ChannelProductResponse, queue::Queue, stocks::request_stock_updates,
};
use domain::{ChannelId, Failure, NotStarted, Open, ProductId, Refusal, RefusalKind, Role};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use partners::channels::kind;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use store::{
    Store,
    channel_products::{ChannelProduct, Mapping},
    optimistic::{
        Attempted::{Conflict, Done},
        SELDOM_CHANGED, optimistically,
    },
};

/// `PUT /api/v1/admin/channels/{channelId}/products/{externalId}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/channels/{channelId}/products/{externalId}",
    Access::Roles(&[Role::Operator]),
    "Maps a channel's product to one of ours, or removes the mapping (채널 상품 매핑)",
)
.request_body::<MapProduct>()
.response::<ChannelProductResponse>()
.problems(&[RefusalKind::NotFound]);

/// The `map-channel-product` handler.
pub fn function() -> Function {
    Function::http("map-channel-product", const { &[ROUTE.served()] }, handle)
}

/// The own product to map to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapProduct {
    /// The id of our product; `null` removes the mapping.
    #[serde(deserialize_with = "Option::deserialize")]
    product_id: Option<ProductId>,
}

#[derive(Clone)]
struct Resources {
    store: Store,
    queue: Queue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: env.open()?, queue: env.open()? })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let external: ProductId = request.path("externalId")?;
    let MapProduct { product_id } = request.json()?;
    let store = resources.store.until(request.deadline);
    let channel = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
    let product = match store.channel_products().get(&id, &external).await? {
        Some(product) => product,
        None if kind(&channel.kind).is_some_and(|kind| kind.has_catalogue) => {
            return Err(Refusal::NotFound.into());
        }
        // A marketplace without a catalogue may sell any product.
        None => {
            let product = ChannelProduct::unseen(id.clone(), external.clone());
            store.channel_products().put_all(std::slice::from_ref(&product)).await?;
            product
        }
    };
    if let Some(ours) = &product_id {
        store.products().get(ours).await?.ok_or(Refusal::NotFound)?;
    }
    let mapping = optimistically(SELDOM_CHANGED, || async {
        let mappings = store.channel_products();
        let seen =
            mappings.mappings_of(&id, std::slice::from_ref(&external)).await?.remove(&external);
        let is_unchanged = seen.as_ref().map(|seen| &seen.product_id) == product_id.as_ref();
        if !is_unchanged
            && !mappings.map(&id, &external, seen.as_ref(), product_id.as_ref()).await?
        {
            return Ok::<_, Failure>(Conflict(()));
        }
        Ok(Done(product_id.clone().map(|product_id| Mapping {
            channel_id: id.clone(),
            external_id: external.clone(),
            product_id,
            stock_sent: seen.and_then(|seen| seen.stock_sent).filter(|_| is_unchanged),
            error: None,
        })))
    })
    .await?;
    let ours: BTreeSet<ProductId> = product_id.into_iter().collect();
    request_stock_updates(&store, &resources.queue, &ours, None).await;
    Ok(Response::ok(&ChannelProductResponse::of(product, mapping.as_ref())))
}
