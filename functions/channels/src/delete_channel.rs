//! `DELETE /api/v1/admin/channels/{channelId}` removes a channel (채널 삭제). The orders that were
//! collected from it remain.

use domain::{ChannelId, Failure, Refusal, RefusalKind, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `DELETE /api/v1/admin/channels/{channelId}`.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/api/v1/admin/channels/{channelId}",
    Access::Roles(&[Role::Operator]),
    "Removes a channel; its collected orders remain (채널 삭제)",
)
.successes(&[(204, "Removed")])
.problems(&[RefusalKind::NotFound]);

/// The `delete-channel` handler.
pub fn function() -> Function {
    Function::http("delete-channel", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let store = store.until(request.deadline);
    let channel = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
    store.channels().remove(&channel).await?;
    Ok(Response::no_content())
}
