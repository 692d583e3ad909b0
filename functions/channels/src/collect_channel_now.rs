//! `POST /api/v1/admin/channels/{channelId}/collect` starts a collection of a channel now,
//! including its products (채널 즉시 수집).

use crate::queue::{DueRun, Queue};
use domain::{ChannelId, Failure, NotStarted, Open, Refusal, RefusalKind, Role, RunId};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use store::{Store, channels::RunRequest};

/// `POST /api/v1/admin/channels/{channelId}/collect`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/channels/{channelId}/collect",
    Access::Roles(&[Role::Operator]),
    "Collects a channel now, including its products (채널 즉시 수집)",
)
.response::<RequestedRun>()
.successes(&[(
    202,
    "Requested; if a requested run has not started yet, the response names that run",
)])
.problems(&[RefusalKind::NotFound, RefusalKind::ChannelInactive]);

/// The `collect-channel-now` handler.
pub fn function() -> Function {
    Function::http("collect-channel-now", const { &[ROUTE.served()] }, handle)
}

/// The requested run.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestedRun {
    /// The run's id.
    run_id: RunId,
}

#[derive(Clone)]
struct Resources {
    store: Store,
    queue: Queue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: env.open()?, queue: env.open()? })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let store = resources.store.until(request.deadline);
    let channel = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
    if !channel.active {
        return Err(Refusal::ChannelInactive.into());
    }
    let requested = RunRequest { run_id: RunId::from_ulid(request.ids().ulid()), at: request.now };
    let (run_id, is_new) = store.channels().request_run(&id, requested).await?;
    if is_new {
        // If this fails, the schedule sends the message.
        let due = DueRun { channel_id: id, run_id: run_id.clone(), with_products: true };
        resources.queue.send(&due, Duration::ZERO).await?;
    }
    Ok(Response::accepted(&RequestedRun { run_id }))
}
