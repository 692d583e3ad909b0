//! `POST /api/v1/admin/webhooks/{name}/rotate-secret` gives a receiver a new secret (웹훅 비밀키 교체). The one that
//! it replaces signs beside it for a day, so that the receiver has time to learn of the new one; so it is, too, where the answer is
//! lost and the request comes again.

use crate::{
    endpoints::is_named_by_template,
    webhooks::{WebhookResponse, new_secret},
};
use domain::{
    Failure, Fault, NotStarted, Open, Refusal, RefusalKind, Role, WebhookName,
    webhook::{MAX_SECRETS, PREVIOUS_SIGNS_FOR},
};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use store::{
    Store,
    vault::Vault,
    webhooks::{PreviousSecret, Webhook},
};

/// How often the webhook is read anew when somebody else changed it in between.
const ATTEMPTS: usize = 4;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/webhooks/{name}/rotate-secret",
    Access::Roles(&[Role::Operator]),
    "Gives a receiver of events a new secret, which is shown once; the old one signs beside it for a day (웹훅 비밀키 교체)",
)
.response::<WebhookResponse>()
.problems(&[RefusalKind::ReservedName, RefusalKind::NotFound, RefusalKind::TooManySecrets]);

/// The function.
pub fn function() -> Function {
    Function::http("rotate-webhook-secret", &[ROUTE], handle)
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
    for _ in 0..ATTEMPTS {
        let known = store.webhooks().get(&name).await?.ok_or(Refusal::NotFound)?;
        let until = now.plus(PREVIOUS_SIGNS_FOR);
        let mut previous = vec![PreviousSecret { secret: known.secret.clone(), until }];
        previous.extend(known.previous.iter().filter(|previous| now < previous.until).cloned());
        if previous.len() == MAX_SECRETS {
            return Err(Refusal::TooManySecrets.into());
        }
        let (secret, sealed) = new_secret(&resources.vault, &name).await?;
        let webhook = Webhook { previous, secret: sealed, updated_at: now, writes: known.writes + 1, ..known };
        if store.webhooks().put(&webhook).await? {
            return Ok(Response::ok(&WebhookResponse::of(&webhook, Some(secret), now)));
        }
    }
    Err(Fault::busy("the webhook is put by others all the time").into())
}
