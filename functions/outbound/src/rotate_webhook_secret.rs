//! `POST /api/v1/admin/webhooks/{name}/rotate-secret` gives a webhook a new signing secret (웹훅
//! 비밀키 교체). The previous secret signs beside the new one for a day, so that the receiver has
//! time to switch. This also holds if the response is lost and the request is repeated.

use crate::{
    endpoints::is_named_by_template,
    webhooks::{WebhookResponse, new_secret},
};
use domain::{
    Failure, NotStarted, Open, Refusal, RefusalKind, Role, WebhookName,
    webhook::{MAX_SECRETS, PREVIOUS_SIGNS_FOR},
};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use store::{
    Store,
    optimistic::{Attempted, SELDOM_CHANGED, optimistically},
    vault::Vault,
    webhooks::{PreviousSecret, Webhook},
};

/// `POST /api/v1/admin/webhooks/{name}/rotate-secret`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/webhooks/{name}/rotate-secret",
    Access::Roles(&[Role::Operator]),
    "Gives a webhook a new secret, returned once; the previous one also signs for a day (웹훅 비밀키 교체)",
)
.response::<WebhookResponse>()
.problems(&[RefusalKind::ReservedName, RefusalKind::NotFound, RefusalKind::TooManySecrets]);

/// The `rotate-webhook-secret` handler.
pub fn function() -> Function {
    Function::http("rotate-webhook-secret", const { &[ROUTE.served()] }, handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    vault: Vault,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: env.open()?, vault: env.open()? })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    if is_named_by_template(&name) {
        return Err(Refusal::ReservedName { name }.into());
    }
    let (store, now) = (resources.store.until(request.deadline), request.now);
    optimistically(SELDOM_CHANGED, || async {
        let known = store.webhooks().get(&name).await?.ok_or(Refusal::NotFound)?;
        let until = now.plus(PREVIOUS_SIGNS_FOR);
        let mut previous = vec![PreviousSecret { secret: known.secret.clone(), until }];
        previous.extend(known.previous.iter().filter(|previous| now < previous.until).cloned());
        if previous.len() == MAX_SECRETS {
            return Err(Refusal::TooManySecrets.into());
        }
        let (secret, sealed) = new_secret(&resources.vault, &name).await?;
        let webhook = Webhook {
            previous,
            secret: sealed,
            updated_at: now,
            writes: known.writes + 1,
            ..known
        };
        let is_written = store.webhooks().put(&webhook).await?;
        let response = || Response::ok(&WebhookResponse::of(&webhook, Some(secret), now));
        Ok(Attempted::done_if(is_written, response))
    })
    .await
}
