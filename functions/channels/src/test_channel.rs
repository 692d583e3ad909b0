//! `POST /api/v1/admin/channels/{channelId}/test` checks the credentials of a channel by a call to
//! its marketplace (채널 연결 확인).

use crate::session::{Accounts, Session, StepError};
use domain::{ChannelId, Failure, NotStarted, Open, Refusal, RefusalKind, Role};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use store::Store;

/// The longest time that a call to the marketplace may take, including the request for a new token.
const CALLS_TAKE: Duration = Duration::from_secs(12);

/// `POST /api/v1/admin/channels/{channelId}/test`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/channels/{channelId}/test",
    Access::Roles(&[Role::Operator]),
    "Checks the credentials of a channel (채널 연결 확인)",
)
.response::<Tested>()
.problems(&[RefusalKind::NotFound]);

/// The `test-channel` handler.
pub fn function() -> Function {
    Function::http("test-channel", const { &[ROUTE.served()] }, handle)
}

/// The result of the check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tested {
    /// Whether the marketplace accepted the credentials.
    ok: bool,
    /// Why the check failed; empty if it succeeded.
    detail: String,
}

#[derive(Clone)]
struct Resources {
    store: Store,
    accounts: Accounts,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: env.open()?, accounts: env.open()? })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let id: ChannelId = request.path("channelId")?;
    let store = resources.store.until(request.deadline);
    let channel = store.channels().get(&id).await?.ok_or(Refusal::NotFound)?;
    let account = resources.accounts.of(&channel).await?;
    let last_call_at = request.deadline.minus(CALLS_TAKE);
    let session = Session { store: &store, channel: &channel, account: &account, last_call_at };
    let result = match session.acquire_call().await {
        Ok(()) => account.channel.check(store.now()).await.map_err(StepError::Channel),
        Err(error) => Err(error),
    };
    let result = match result {
        Ok(()) => Tested { ok: true, detail: String::new() },
        Err(StepError::Channel(error)) => {
            session.back_off(&error, 1).await?;
            Tested { ok: false, detail: error.to_string() }
        }
        Err(StepError::Wait(wait)) => Tested {
            ok: false,
            detail: format!("the account accepts no calls for {} s", wait.as_secs()),
        },
        Err(StepError::Fault(fault)) => return Err(fault.into()),
    };
    Ok(Response::ok(&result))
}
