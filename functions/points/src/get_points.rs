//! `GET /points/{customerId}` shows a customer's balance (조회).

use domain::{CustomerId, Failure, Role, Won};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// `GET /points/{customerId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/points/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Shows a customer's balance (포인트 조회); it is 0 for an unknown customer",
)
.response::<Balance>();

/// The `get-points` handler.
pub fn function() -> Function {
    Function::http("get-points", const { &[ROUTE.served()] }, handle)
}

/// A customer's balance.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// The customer's id.
    customer_id: CustomerId,
    /// The number of points.
    balance: Won,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer_id: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer_id)?;
    let balance = store.until(request.deadline).points().balance(&customer_id).await?;
    Ok(Response::ok(&Balance { customer_id, balance }))
}
