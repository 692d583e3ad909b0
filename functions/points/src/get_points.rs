//! `GET /points/{customerId}` tells a customer's balance (조회).

use domain::{CustomerId, Failure, Role, Won};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/points/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Tells a customer's balance (포인트 조회); a customer never seen has 0",
)
.response::<Balance>();

/// The function.
pub fn function() -> Function {
    Function::http("get-points", &[ROUTE], handle)
}

/// A balance.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// Whose.
    customer_id: CustomerId,
    /// How many points.
    balance: Won,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer_id: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer_id)?;
    let balance = store.until(request.deadline).points().balance(&customer_id).await?;
    Ok(Response::ok(&Balance { customer_id, balance }))
}
