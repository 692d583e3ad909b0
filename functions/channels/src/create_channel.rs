//! `POST /api/v1/admin/channels` registers a marketplace account as a channel (채널 등록). Its
//! credentials are stored encrypted and never returned.

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

/// The maximum number of channels.
const MAX_CHANNELS: usize = 100;

/// `POST /api/v1/admin/channels`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/channels",
    Access::Roles(&[Role::Operator]),
    "Registers a marketplace account as a channel, which is collected from then on (채널 등록)",
)
.request_body::<CreateChannel>()
.response::<ChannelResponse>()
.successes(&[(201, "Registered; `Location` is the path of the channel")])
.idempotent_by_key()
.problems(&[RefusalKind::ChannelExists, RefusalKind::KeyReused]);

/// The `create-channel` handler.
pub fn function() -> Function {
    Function::http("create-channel", const { &[ROUTE.served()] }, handle)
}

/// A channel to register.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateChannel {
    /// The channel's name: 1 to 100 characters.
    name: String,
    /// The type of marketplace: `COUPANG`, `SMARTSTORE`, `HTTP` or `MOCK`.
    #[serde(rename = "type")]
    kind: String,
    /// The credentials of the marketplace account. Coupang: `vendorId`, `accessKey`, `secretKey`;
    /// Smartstore: `clientId`, `clientSecret`; the mock: none.
    #[serde(default)]
    credentials: Value,
    /// Minutes between two collections: 1 to 1,440; 10 by default.
    interval_minutes: Option<u32>,
    /// Whether the channel is collected; `true` by default.
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
    let requested: CreateChannel = request.json()?;
    let Some(kind) = kind(&requested.kind) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        return Err(Refusal::field("type", format!("must be one of {}", names.join(", "))).into());
    };
    let account = checked(kind, &requested.credentials, resources.reach)?;
    let name = checked_name(requested.name)?;
    let interval_minutes =
        checked_interval(requested.interval_minutes.unwrap_or(DEFAULT_INTERVAL))?;
    let active = requested.active.unwrap_or(true);
    let key = request.idempotency_key()?;
    let fingerprint = format!("{name}/{}/{account:?}/{interval_minutes}/{active}", kind.name);
    let registered_by = key.as_ref().map(|key| (key.hash("channel"), key.hash(&fingerprint)));
    let channel_id = match (&account, &key) {
        (Some(account), _) => ChannelId::of_account(kind.name, account),
        (None, Some(key)) => ChannelId::of_key(key),
        (None, None) => ChannelId::from_ulid(request.ids().ulid()),
    };
    let (store, now) = (resources.store.until(request.deadline), request.now);
    let channels = store.channels().all().await?;
    if let Some(known) = channels.iter().find(|known| known.channel_id == channel_id) {
        return existing_channel(known, registered_by.as_ref());
    }
    if channels.len() >= MAX_CHANNELS {
        return Err(Refusal::field(
            "name",
            format!("cannot be registered: there are {MAX_CHANNELS} channels"),
        )
        .into());
    }
    let channel = Channel {
        credentials: seal(&resources.vault, &channel_id, &requested.credentials).await?,
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
    let known = store
        .channels()
        .get(&channel.channel_id)
        .await?
        .ok_or_else(|| Fault::busy("the channel existed and was then deleted"))?;
    existing_channel(&known, channel.registered_by.as_ref())
}

/// Responds when a channel of this id exists already. A repeat of the request that registered it
/// gets the first response again. Another request is refused.
fn existing_channel(
    known: &Channel,
    requested: Option<&(String, String)>,
) -> Result<Response, Failure> {
    match (known.registered_by.as_ref(), requested) {
        (Some(before), Some(requested)) if before == requested => {
            Ok(created(known.clone()).replayed())
        }
        (Some(before), Some(requested)) if before.0 == requested.0 => {
            Err(Refusal::KeyReused.into())
        }
        (Some(_) | None, Some(_) | None) => {
            Err(Refusal::ChannelExists { account: known.account.clone().unwrap_or_default() }
                .into())
        }
    }
}

fn created(channel: Channel) -> Response {
    let location = format!("{}/{}", const { ROUTE.path }, channel.channel_id);
    Response::created(&ChannelResponse::of(channel, None), location)
}
