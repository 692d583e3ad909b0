//! `GET /api/v1/admin/channels/{channelId}` shows a channel (채널 조회).

use crate::answers::ChannelAnswer;
use domain::{ChannelId, Failure, Refusal, RefusalKind, Role};
use edge::{Access, Answer, Function, Method, Request, Route};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/channels/{channelId}",
    Access::Roles(&[Role::Operator]),
    "Shows a channel (채널 조회)",
)
.answers::<ChannelAnswer>()
.problems(&[RefusalKind::NotFound]);

/// The function.
pub fn function() -> Function {
    Function::http("get-channel", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let store = store.until(request.deadline);
    let channel = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
    let collection = store.channels().collection(&id).await?;
    Ok(Answer::ok(&ChannelAnswer::of(channel, collection.as_ref())))
}
