//! `POST /api/v1/admin/channels/{channelId}/test` tries the credentials of a channel (채널 연결 확인).

use crate::session::{Accounts, Session, StepError};
use domain::{ChannelId, Failure, NotStarted, Open, Refusal, RefusalKind, Role};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use store::Store;

/// A call of the marketplace takes so long at the most, with a new token.
const CALLS_TAKE: Duration = Duration::from_secs(12);

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/channels/{channelId}/test",
    Access::Roles(&[Role::Operator]),
    "Tries the credentials of a channel (채널 연결 확인)",
)
.response::<Tested>()
.problems(&[RefusalKind::NotFound]);

/// The function.
pub fn function() -> Function {
    Function::http("test-channel", &[ROUTE], handle)
}

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tested {
    /// Whether the marketplace let us in.
    ok: bool,
    /// What it said, if it did not.
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
    let patience = request.deadline.minus(CALLS_TAKE);
    let session = Session { store: &store, channel: &channel, account: &account, patience };
    let tested = match session.turn().await {
        Ok(()) => account.channel.check(store.now()).await.map_err(StepError::Channel),
        Err(halt) => Err(halt),
    };
    let tested = match tested {
        Ok(()) => Tested { ok: true, detail: String::new() },
        Err(StepError::Channel(trouble)) => {
            session.heed(&trouble, 1).await?;
            Tested { ok: false, detail: trouble.to_string() }
        }
        Err(StepError::Wait(wait)) => {
            Tested { ok: false, detail: format!("the account is left alone for {} s", wait.as_secs()) }
        }
        Err(StepError::Fault(fault)) => return Err(fault.into()),
    };
    Ok(Response::ok(&tested))
}
