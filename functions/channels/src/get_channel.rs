//! `GET /api/v1/admin/channels/{channelId}` shows a channel (채널 조회).

use crate::answers::ChannelAnswer;
use domain::ChannelId;
use edge::{Access, Answer, Function, Method, Rejected, Request, Role, Route, Unanswered};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/channels/{channelId}",
    Access::Roles(&[Role::Operator]),
    "Shows a channel (채널 조회)",
)
.answers::<ChannelAnswer>()
.problems(&[(404, "not-found", "there is no such channel")]);

/// The function.
pub fn function() -> Function {
    Function::http("get-channel", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let id: ChannelId = request.path("channelId")?;
    let store = store.until(request.deadline);
    let channel = store.channel(&id).await?.ok_or(Rejected::NotFound)?;
    let collection = store.collection(&id).await?;
    Ok(Answer::ok(&ChannelAnswer::of(channel, collection.as_ref())))
}
