//! `GET /api/v1/admin/channels/{channelId}/runs` lists the collection runs of a channel, newest
//! first (채널 수집 이력).

use crate::channel_response::RunResponse;
use domain::{ChannelId, Failure, Refusal, RefusalKind, Role, RunId};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store};

/// `GET /api/v1/admin/channels/{channelId}/runs`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/channels/{channelId}/runs",
    Access::Roles(&[Role::Operator]),
    "Lists the collection runs of a channel of the last 30 days: the current one, then newest first (채널 수집 이력)",
)
.query(&[
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<Runs>()
.problems(&[RefusalKind::NotFound]);

/// The `list-channel-runs` handler.
pub fn function() -> Function {
    Function::http("list-channel-runs", const { &[ROUTE.served()] }, handle)
}

/// A page of collection runs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// The runs: the current one first, then newest first.
    runs: Vec<RunResponse>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let (limit, after) = request.page::<RunId>()?;
    let store = store.until(request.deadline);
    let collection = store.channels().collection(&id).await?.ok_or(Refusal::NotFound)?;
    let is_first = after.is_none();
    let page = store
        .channels()
        .ended_runs(&id, &PageRequest { limit, after: after.map(|run| run.to_string()) })
        .await?;
    let current = collection.run.filter(|_| is_first);
    let runs = current.into_iter().chain(page.entries).map(RunResponse::from).collect();
    Ok(Response::ok(&Runs { runs, next_cursor: Response::cursor(page.next.as_deref()) }))
}
