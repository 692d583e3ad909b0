//! `GET /points/{customerId}/charges/{chargeId}` shows the state of a charge of points by card
//! (충전 조회).

use crate::by_card::ChargeState;
use domain::{ChargeId, CustomerId, Failure, Refusal, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `GET /points/{customerId}/charges/{chargeId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/points/{customerId}/charges/{chargeId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Shows the state of a charge of points by card (충전 조회)",
)
.response::<ChargeState>();

/// The `get-charge` handler.
pub fn function() -> Function {
    Function::http("get-charge", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer_id: CustomerId = request.path("customerId")?;
    let charge_id: ChargeId = request.path("chargeId")?;
    request.caller.must_be(&customer_id)?;
    let file = store.until(request.deadline).charges().with_attempt(&charge_id).await?;
    let file =
        file.filter(|file| file.charge.customer_id == customer_id).ok_or(Refusal::NotFound)?;
    Ok(Response::ok(&ChargeState::from(&file)))
}
