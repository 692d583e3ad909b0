//! `POST /api/v1/admin/channels` registers an account with a marketplace (채널 등록). Its credentials are sealed, and never shown.

use crate::{
    channel_response::{ChannelResponse, DEFAULT_INTERVAL, checked_interval, checked_name},
    session::{checked, seal},
};
use domain::{ChannelId, Failure, Fault, NotStarted, Open, Refusal, RefusalKind, Role};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use partners::{
    channels::{KINDS, kind},
    receiver::Reach,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use store::{Store, channels::Channel, vault::Vault};

/// Channels at the most.
const MAX_CHANNELS: usize = 100;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/channels",
    Access::Roles(&[Role::Operator]),
    "Registers an account with a marketplace (채널 등록); it is collected from then on",
)
.request_body::<CreateChannel>()
.response::<ChannelResponse>()
.successes(&[(201, "Registered; `Location` is its path")])
.idempotent_by_key()
.problems(&[RefusalKind::ChannelExists, RefusalKind::KeyReused]);

/// The function.
pub fn function() -> Function {
    Function::http("create-channel", &[ROUTE], handle)
}

/// What a channel is to be.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateChannel {
    /// What you call it: 1 to 100 characters.
    name: String,
    /// The kind of marketplace: `COUPANG`, `SMARTSTORE`, `HTTP` or `MOCK`.
    #[serde(rename = "type")]
    kind: String,
    /// By what the marketplace knows you. Coupang: `vendorId`, `accessKey`, `secretKey`; Smartstore: `clientId`, `clientSecret`;
    /// the mock: nothing.
    #[serde(default)]
    credentials: Value,
    /// It is collected every so many minutes: 1 to 1,440 (10).
    interval_minutes: Option<u32>,
    /// Whether it is collected; yes, if left out.
    active: Option<bool>,
}

#[derive(Clone)]
pub(crate) struct Resources {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) reach: Reach,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let reach = Reach { allows_loopback: env.allows_loopback };
        Ok(Self { store: env.open()?, vault: env.open()?, reach })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let asked: CreateChannel = request.json()?;
    let Some(kind) = kind(&asked.kind) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        return Err(Refusal::field("type", format!("must be one of {}", names.join(", "))).into());
    };
    let account = checked(kind, &asked.credentials, resources.reach)?;
    let name = checked_name(asked.name)?;
    let interval_minutes = checked_interval(asked.interval_minutes.unwrap_or(DEFAULT_INTERVAL))?;
    let active = asked.active.unwrap_or(true);
    let key = request.idempotency_key()?;
    let meaning = format!("{name}/{}/{account:?}/{interval_minutes}/{active}", kind.name);
    let registered_by = key.as_ref().map(|key| (key.hash("channel"), key.hash(&meaning)));
    let channel_id = match (&account, &key) {
        (Some(account), _) => ChannelId::of_account(kind.name, account),
        (None, Some(key)) => ChannelId::of_key(key),
        (None, None) => ChannelId::from_ulid(request.ids().ulid()),
    };
    let (store, now) = (resources.store.until(request.deadline), request.now);
    let channels = store.channels().all().await?;
    if let Some(known) = channels.iter().find(|known| known.channel_id == channel_id) {
        return registered_before(known, registered_by.as_ref());
    }
    if channels.len() >= MAX_CHANNELS {
        return Err(Refusal::field("name", format!("there are {MAX_CHANNELS} channels already")).into());
    }
    let channel = Channel {
        credentials: seal(&resources.vault, &channel_id, &asked.credentials).await?,
        channel_id,
        name,
        kind: kind.name.to_owned(),
        account,
        credentials_since: now,
        interval_minutes,
        active,
        salt: request.ids().ulid().to_string(),
        registered_by,
        created_at: now,
        updated_at: now,
        writes: 1,
    };
    if store.channels().create(&channel).await? {
        return Ok(created(channel));
    }
    let known =
        store.channels().get(&channel.channel_id).await?.ok_or_else(|| Fault::busy("the channel comes and goes"))?;
    registered_before(&known, channel.registered_by.as_ref())
}

/// What is answered where there is such a channel: the first answer again to the same request, else that there is one.
fn registered_before(known: &Channel, asked: Option<&(String, String)>) -> Result<Response, Failure> {
    match (known.registered_by.as_ref(), asked) {
        (Some(before), Some(asked)) if before == asked => Ok(created(known.clone()).replayed()),
        (Some(before), Some(asked)) if before.0 == asked.0 => Err(Refusal::KeyReused.into()),
        (Some(_) | None, Some(_) | None) => {
            Err(Refusal::ChannelExists { account: known.account.clone().unwrap_or_default() }.into())
        }
    }
}

fn created(channel: Channel) -> Response {
    let location = format!("{}/{}", ROUTE.path, channel.channel_id);
    Response::created(&ChannelResponse::of(channel, None), location)
}
