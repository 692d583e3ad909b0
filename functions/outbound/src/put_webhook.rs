//! `PUT /api/v1/admin/webhooks/{name}` registers a webhook, or changes it. The response for a new
//! webhook contains its secret, which is never returned again.

use crate::{
    endpoints::is_named_by_template,
    webhooks::{WebhookResponse, new_secret},
};
use domain::{Failure, NotStarted, Open, Refusal, RefusalKind, Role, WebhookName};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use events::EventType;
use partners::receiver::Reach;
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store,
    optimistic::{Attempted, SELDOM_CHANGED, optimistically},
    vault::Vault,
    webhooks::Webhook,
};

/// The maximum number of webhooks: every event is checked against each of them.
const MAX_WEBHOOKS: usize = 100;

/// `PUT /api/v1/admin/webhooks/{name}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/webhooks/{name}",
    Access::Roles(&[Role::Operator]),
    "Registers a webhook, or changes it; the secret of a new one is returned once (웹훅 등록·수정)",
)
.request_body::<PutWebhook>()
.response::<WebhookResponse>()
.problems(&[RefusalKind::ReservedName]);

/// The `put-webhook` handler.
pub fn function() -> Function {
    Function::http("put-webhook", const { &[ROUTE.served()] }, handle)
}

/// The webhook to register or change.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutWebhook {
    /// The URL that receives the events: https, on a public address.
    url: String,
    /// The event types to deliver, such as `order.paid.v1`; `*` means all types that exist now.
    events: Vec<String>,
    /// Whether events are delivered; `true` by default.
    active: Option<bool>,
}

#[derive(Clone)]
struct Resources {
    store: Store,
    vault: Vault,
    reach: Reach,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self {
            store: env.open()?,
            vault: env.open()?,
            reach: Reach { allows_loopback: env.allows_loopback },
        })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    let PutWebhook { url, events, active } = request.json()?;
    if is_named_by_template(&name) {
        return Err(Refusal::ReservedName { name }.into());
    }
    resources.reach.check(&url).map_err(|why| Refusal::field("url", why))?;
    let events = types(&events)?;
    let (store, now) = (resources.store.until(request.deadline), request.now);
    optimistically(SELDOM_CHANGED, || async {
        let mut secret = None;
        let webhook = if let Some(known) = store.webhooks().get(&name).await? {
            Webhook {
                url: url.clone(),
                events: events.clone(),
                active: active.unwrap_or(true),
                disabled_because: None,
                updated_at: now,
                writes: known.writes + 1,
                ..known
            }
        } else {
            if store.webhooks().all().await?.len() >= MAX_WEBHOOKS {
                return Err(Refusal::field(
                    "name",
                    format!("cannot be registered: there are {MAX_WEBHOOKS} webhooks"),
                )
                .into());
            }
            let (shown, sealed) = new_secret(&resources.vault, &name).await?;
            secret = Some(shown);
            Webhook {
                name: name.clone(),
                url: url.clone(),
                events: events.clone(),
                active: active.unwrap_or(true),
                disabled_because: None,
                secret: sealed,
                previous: Vec::new(),
                created_at: now,
                updated_at: now,
                writes: 1,
            }
        };
        let is_written = store.webhooks().put(&webhook).await?;
        let secret = secret.filter(|_| webhook.writes == 1);
        let response = || Response::ok(&WebhookResponse::of(&webhook, secret, now));
        Ok(Attempted::done_if(is_written, response))
    })
    .await
}

/// Parses the names of event types; `*` means all types.
fn types(names: &[String]) -> Result<Vec<EventType>, Refusal> {
    if names.iter().any(|name| name == "*") {
        return Ok(EventType::ALL.to_vec());
    }
    let known = |name: &String| {
        let found = EventType::ALL.iter().copied().find(|one| one.as_str() == name);
        found.ok_or_else(|| {
            Refusal::field("events", format!("must not contain the unknown event {name}"))
        })
    };
    let types: Vec<EventType> = names.iter().map(known).collect::<Result<_, _>>()?;
    if types.is_empty() {
        Err(Refusal::field("events", "must name at least one"))
    } else {
        Ok(types)
    }
}
