//! `GET /api/v1/admin/channels` lists the channels (채널 목록).

use crate::channel_response::ChannelResponse;
use domain::{ChannelId, Failure, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// `GET /api/v1/admin/channels`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/channels",
    Access::Roles(&[Role::Operator]),
    "Lists the channels (채널 목록)",
)
.response::<Channels>();

/// The `list-channels` handler.
pub fn function() -> Function {
    Function::http("list-channels", const { &[ROUTE.served()] }, handle)
}

/// The list of channels.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Channels {
    /// All channels, ordered by id.
    channels: Vec<ChannelResponse>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let store = store.until(request.deadline);
    let channels = store.channels().all().await?;
    let ids: Vec<&ChannelId> = channels.iter().map(|channel| &channel.channel_id).collect();
    let collections = store.channels().collections(&ids).await?;
    let both = channels.into_iter().zip(&collections);
    let channels = both
        .map(|(channel, (collection, _))| ChannelResponse::of(channel, collection.as_ref()))
        .collect();
    Ok(Response::ok(&Channels { channels }))
}
