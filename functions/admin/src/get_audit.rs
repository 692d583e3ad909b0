//! `GET /api/v1/admin/audit` tells what the last audit of the books found (장부 감사).

use domain::{Failure, Refusal, RefusalKind, Role, Timestamp};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Store,
    audits::{Law, Violation},
};

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/audit",
    Access::Roles(&[Role::Operator]),
    "Tells what the last audit of the books found (장부 감사)",
)
.response::<AuditReport>()
.problems(&[RefusalKind::NotFound]);

/// The function.
pub fn function() -> Function {
    Function::http("get-audit", &[ROUTE], handle)
}

/// The last audit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// When it was made.
    audited_at: Timestamp,
    /// Whether nothing broke a law.
    clean: bool,
    /// Each law, with how many things it was held against.
    laws: Vec<Law>,
    /// What broke a law; the first few hundred where there are more.
    violations: Vec<Violation>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let audit = store.until(request.deadline).audits().last().await?.ok_or(Refusal::NotFound)?;
    Ok(Response::ok(&AuditReport {
        audited_at: audit.audited_at,
        clean: audit.violations.is_empty(),
        laws: audit.laws,
        violations: audit.violations,
    }))
}
