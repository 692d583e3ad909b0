//! `GET /api/v1/admin/channels/{channelId}` shows a channel (채널 조회).

use crate::channel_response::ChannelResponse;
use domain::{ChannelId, Failure, Refusal, RefusalKind, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `GET /api/v1/admin/channels/{channelId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/channels/{channelId}",
    Access::Roles(&[Role::Operator]),
    "Shows a channel (채널 조회)",
)
.response::<ChannelResponse>()
.problems(&[RefusalKind::NotFound]);

/// The `get-channel` handler.
pub fn function() -> Function {
    Function::http("get-channel", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let store = store.until(request.deadline);
    let channel = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
    let collection = store.channels().collection(&id).await?;
    Ok(Response::ok(&ChannelResponse::of(channel, collection.as_ref())))
}
