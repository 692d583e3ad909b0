//! `POST /api/v1/admin/webhooks/{name}/rotate-secret` gives a receiver a new secret (웹훅 비밀키 교체). The one that
//! it replaces signs beside it for a day, so that the receiver has time to learn of the new one; so it is, too, where the answer is
//! lost and the request comes again.

use crate::{
    endpoints::{is_named_by_template, open_vault},
    webhooks::{RESERVED, WebhookAnswer, WebhookRefusal, new_secret},
};
use domain::{
    Fault, WebhookName,
    webhook::{MOST_SECRETS, PREVIOUS_SIGNS_FOR},
};
use edge::{Access, Answer, Environment, Function, Method, NotStarted, Rejected, Request, Role, Route};
use store::{
    Store,
    vault::Vault,
    webhooks::{PreviousSecret, Webhook},
};

/// How often the webhook is read anew when somebody else changed it in between.
const ROUNDS: usize = 4;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/webhooks/{name}/rotate-secret",
    Access::Roles(&[Role::Operator]),
    "Gives a receiver of events a new secret, which is shown once; the old one signs beside it for a day (웹훅 비밀키 교체)",
)
.answers::<WebhookAnswer>()
.problems(&[
    RESERVED,
    (404, "not-found", "there is no such webhook"),
    (409, "too-many-secrets", "it was given four new secrets within a day already, and all of them sign"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("rotate-webhook-secret", &[ROUTE], Desk::open, handle)
}

#[derive(Clone)]
struct Desk {
    store: Store,
    vault: Vault,
}

impl Desk {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: Store::open(&env.aws, |name| env.variable(name))?, vault: open_vault(env)? })
    }
}

async fn handle(desk: Desk, request: Request) -> Result<Answer, WebhookRefusal> {
    let name: WebhookName = request.path("name")?;
    if is_named_by_template(&name) {
        return Err(WebhookRefusal::Reserved(name));
    }
    let (store, now) = (desk.store.until(request.deadline), request.now);
    for _ in 0..ROUNDS {
        let known = store.webhook(&name).await?.ok_or(Rejected::NotFound)?;
        let until = now.plus(PREVIOUS_SIGNS_FOR);
        let mut previous = vec![PreviousSecret { secret: known.secret.clone(), until }];
        previous.extend(known.previous.iter().filter(|previous| now < previous.until).cloned());
        if previous.len() == MOST_SECRETS {
            return Err(WebhookRefusal::TooManySecrets);
        }
        let (secret, sealed) = new_secret(&desk.vault, &name).await?;
        let webhook = Webhook { previous, secret: sealed, updated_at: now, writes: known.writes + 1, ..known };
        if store.put_webhook(&webhook).await? {
            return Ok(Answer::ok(&WebhookAnswer::of(&webhook, Some(secret), now)));
        }
    }
    Err(Fault::busy("the webhook is put by others all the time").into())
}
