//! `PATCH /api/v1/admin/channels/{channelId}` changes a channel (채널 수정). Omitted fields stay
//! unchanged. New credentials replace the old ones at once.

use crate::{
    channel_response::{ChannelResponse, checked_interval, checked_name},
    create_channel::Resources,
    session::{checked, seal},
};
use domain::{ChannelId, Failure, Fault, Refusal, RefusalKind, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use partners::channels::kind;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use store::{
    channels::Channel,
    optimistic::{
        Attempted::{Conflict, Done},
        SELDOM_CHANGED, optimistically,
    },
};

/// `PATCH /api/v1/admin/channels/{channelId}`.
pub const ROUTE: Route = Route::new(
    Method::Patch,
    "/api/v1/admin/channels/{channelId}",
    Access::Roles(&[Role::Operator]),
    "Changes a channel; omitted fields stay unchanged (채널 수정)",
)
.request_body::<UpdateChannel>()
.response::<ChannelResponse>()
.problems(&[RefusalKind::NotFound]);

/// The `update-channel` handler.
pub fn function() -> Function {
    Function::http("update-channel", const { &[ROUTE.served()] }, handle)
}

/// The fields to change.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateChannel {
    /// The channel's name: 1 to 100 characters.
    name: Option<String>,
    /// New credentials of the same account.
    credentials: Option<Value>,
    /// Minutes between two collections: 1 to 1,440.
    interval_minutes: Option<u32>,
    /// Whether the channel is collected.
    active: Option<bool>,
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let UpdateChannel { name, credentials, interval_minutes, active } = request.json()?;
    let name = name.map(checked_name).transpose()?;
    let interval_minutes = interval_minutes.map(checked_interval).transpose()?;
    let (store, now) = (resources.store.until(request.deadline), request.now);
    optimistically(SELDOM_CHANGED, || async {
        let known = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
        let mut channel = Channel { updated_at: now, writes: known.writes + 1, ..known };
        if let Some(credentials) = &credentials {
            let kind = kind(&channel.kind)
                .ok_or_else(|| Fault::broken("the kind of the channel is unknown"))?;
            if checked(kind, credentials, resources.reach)? != channel.account {
                return Err(Refusal::field("credentials", "must be of the same account").into());
            }
            channel.credentials = seal(&resources.vault, &id, credentials).await?;
            channel.credentials_since = now;
        }
        channel.name = name.clone().unwrap_or(channel.name);
        channel.interval_minutes = interval_minutes.unwrap_or(channel.interval_minutes);
        channel.active = active.unwrap_or(channel.active);
        if store.channels().put(&channel).await? {
            let collection = store.channels().collection(&id).await?;
            return Ok(Done(Response::ok(&ChannelResponse::of(channel, collection.as_ref()))));
        }
        Ok(Conflict(()))
    })
    .await
}
