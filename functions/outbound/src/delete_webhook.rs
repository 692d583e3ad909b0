//! `DELETE /api/v1/admin/webhooks/{name}` removes a receiver of events (웹훅 삭제): what is still due to it is given up.

use crate::{
    endpoints::is_named_by_template,
    webhooks::{RESERVED, WebhookRefusal},
};
use domain::WebhookName;
use edge::{Access, Answer, Function, Method, Request, Role, Route};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/api/v1/admin/webhooks/{name}",
    Access::Roles(&[Role::Operator]),
    "Removes a receiver of events (웹훅 삭제), also where there is none",
)
.succeeds(&[(204, "There is none of that name now")])
.problems(&[RESERVED]);

/// The function.
pub fn function() -> Function {
    Function::http("delete-webhook", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, WebhookRefusal> {
    let name: WebhookName = request.path("name")?;
    if is_named_by_template(&name) {
        return Err(WebhookRefusal::Reserved(name));
    }
    store.until(request.deadline).remove_webhook(&name).await?;
    Ok(Answer::no_content())
}
