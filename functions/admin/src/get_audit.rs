//! `GET /api/v1/admin/audit` returns the report of the last audit of the books (장부 감사).

use domain::{Failure, Refusal, RefusalKind, Role, Timestamp};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Store,
    audits::{Law, Violation},
};

/// `GET /api/v1/admin/audit`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/audit",
    Access::Roles(&[Role::Operator]),
    "Returns the report of the last audit of the books (장부 감사)",
)
.response::<AuditReport>()
.problems(&[RefusalKind::NotFound]);

/// The `get-audit` handler.
pub fn function() -> Function {
    Function::http("get-audit", const { &[ROUTE.served()] }, handle)
}

/// The report of the last audit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// When the audit ran.
    audited_at: Timestamp,
    /// Whether there are no violations.
    clean: bool,
    /// Each law, with the number of items that were checked against it.
    laws: Vec<Law>,
    /// The violations, limited to the first few hundred.
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
