//! `PUT /api/v1/admin/channels/{channelId}/products/{externalId}` says which product of ours a channel's is (채널 상품 매핑). From then on its
//! orders take from our stock, and the channel is told of it.

use crate::{channel_response::ChannelProductAnswer, queue::Queue, stocks::ask_to_tell};
use domain::{ChannelId, Failure, Fault, NotStarted, Open, ProductId, Refusal, RefusalKind, Role};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use partners::channels::kind;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use store::{
    Store,
    channel_products::{ChannelProduct, Mapping},
};

/// How often the mapping is read anew when somebody else changed it in between.
const ATTEMPTS: usize = 4;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/channels/{channelId}/products/{externalId}",
    Access::Roles(&[Role::Operator]),
    "Says which product of ours a channel's is, or that it is none (채널 상품 매핑)",
)
.request_body::<MapProduct>()
.response::<ChannelProductAnswer>()
.problems(&[RefusalKind::NotFound]);

/// The function.
pub fn function() -> Function {
    Function::http("map-channel-product", &[ROUTE], handle)
}

/// Which product of ours it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapProduct {
    /// Our product; none, if it is null.
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
        None if kind(&channel.kind).is_some_and(|kind| kind.has_catalogue) => return Err(Refusal::NotFound.into()),
        // Whoever has no catalogue may have any.
        None => {
            let product = ChannelProduct::unseen(id.clone(), external.clone());
            store.channel_products().put_all(std::slice::from_ref(&product)).await?;
            product
        }
    };
    if let Some(ours) = &product_id {
        store.products().get(ours).await?.ok_or(Refusal::NotFound)?;
    }
    for _ in 0..ATTEMPTS {
        let seen = store.channel_products().mappings_of(&id, std::slice::from_ref(&external)).await?.remove(&external);
        let is_so = seen.as_ref().map(|seen| &seen.product_id) == product_id.as_ref();
        if is_so || store.channel_products().map(&id, &external, seen.as_ref(), product_id.as_ref()).await? {
            let mapping = product_id.clone().map(|product_id| Mapping {
                channel_id: id.clone(),
                external_id: external.clone(),
                product_id,
                stock_there: seen.and_then(|seen| seen.stock_there).filter(|_| is_so),
                error: None,
            });
            let ours: BTreeSet<ProductId> = product_id.into_iter().collect();
            ask_to_tell(&store, &resources.queue, &ours, None).await;
            return Ok(Response::ok(&ChannelProductAnswer::of(product, mapping.as_ref())));
        }
    }
    Err(Fault::busy("the product is mapped by others all the time").into())
}
