//! `GET /api/v1/admin/channels` lists the channels (채널 목록).

use crate::answers::ChannelAnswer;
use domain::{ChannelId, Failure, Role};
use edge::{Access, Answer, Function, Method, Request, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/channels",
    Access::Roles(&[Role::Operator]),
    "Lists the channels (채널 목록)",
)
.answers::<Channels>();

/// The function.
pub fn function() -> Function {
    Function::http("list-channels", &[ROUTE], handle)
}

/// The channels.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Channels {
    /// Every one.
    channels: Vec<ChannelAnswer>,
}

async fn handle(store: Store, request: Request) -> Result<Answer, Failure> {
    let store = store.until(request.deadline);
    let channels = store.channels().all().await?;
    let ids: Vec<&ChannelId> = channels.iter().map(|channel| &channel.channel_id).collect();
    let collections = store.channels().collections(&ids).await?;
    let both = channels.into_iter().zip(&collections);
    let channels = both.map(|(channel, (collection, _))| ChannelAnswer::of(channel, collection.as_ref())).collect();
    Ok(Answer::ok(&Channels { channels }))
}
