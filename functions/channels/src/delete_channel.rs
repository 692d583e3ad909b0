//! `DELETE /api/v1/admin/channels/{channelId}` removes a channel (채널 삭제). What was collected of its orders stays.

use domain::{ChannelId, Failure, Refusal, RefusalKind, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/api/v1/admin/channels/{channelId}",
    Access::Roles(&[Role::Operator]),
    "Removes a channel; what was collected of its orders stays (채널 삭제)",
)
.successes(&[(204, "It is removed")])
.problems(&[RefusalKind::NotFound]);

/// The function.
pub fn function() -> Function {
    Function::http("delete-channel", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let store = store.until(request.deadline);
    let channel = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
    store.channels().remove(&channel).await?;
    Ok(Response::no_content())
}
