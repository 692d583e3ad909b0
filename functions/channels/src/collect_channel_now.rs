//! `POST /api/v1/admin/channels/{channelId}/collect` collects a channel now, its products too (채널 즉시 수집).

use crate::{
    answers::{ChannelRefusal, INACTIVE},
    queue::{DueRun, Queue},
};
use domain::{ChannelId, RunId};
use edge::{Access, Answer, Environment, Function, Method, NotStarted, Rejected, Request, Role, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/channels/{channelId}/collect",
    Access::Roles(&[Role::Operator]),
    "Collects a channel now, its products too (채널 즉시 수집)",
)
.answers::<Asked>()
.succeeds(&[(202, "It is on its way; while a run goes on, that one goes on")])
.problems(&[(404, "not-found", "there is no such channel"), INACTIVE]);

/// The function.
pub fn function() -> Function {
    Function::http("collect-channel-now", &[ROUTE], Desk::open, handle)
}

/// Which run it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Its id.
    run_id: RunId,
}

#[derive(Clone)]
struct Desk {
    store: Store,
    queue: Queue,
}

impl Desk {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: Store::open(&env.aws, |name| env.variable(name))?, queue: Queue::open(env)? })
    }
}

async fn handle(desk: Desk, request: Request) -> Result<Answer, ChannelRefusal> {
    let id: ChannelId = request.path("channelId")?;
    let store = desk.store.until(request.deadline);
    let channel = store.channel(&id).await?.ok_or(Rejected::NotFound)?;
    if !channel.active {
        return Err(ChannelRefusal::Inactive);
    }
    let going_on = store.collection(&id).await?.and_then(|collection| collection.run);
    let run_id = going_on.map_or_else(|| RunId::from_ulid(request.ulid()), |run| run.run_id);
    let due = DueRun { channel_id: id, run_id: run_id.clone(), with_products: true };
    desk.queue.ask(&due, Duration::ZERO).await?;
    Ok(Answer::accepted(&Asked { run_id }))
}
