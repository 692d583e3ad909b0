//! `POST /orders/{orderId}/pick-up` lets a rider take a cooked order (픽업). Of two riders one wins.

use domain::{Caller, Failure, Refusal, RefusalKind, RiderId, Role, lifecycle::Command, order::Order};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::transition::{Transition, transition};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/pick-up",
    Access::Roles(&[Role::Rider, Role::Operator]),
    "A rider takes a cooked order (픽업)",
)
.idempotent_by_key()
.request_body::<PickUpOrder>()
.response::<events::Order>()
.problems(&[RefusalKind::NotFound, RefusalKind::WrongStatus, RefusalKind::TooManyDeliveries, RefusalKind::KeyReused]);

/// The function.
pub fn function() -> Function {
    Function::http("pick-up-order", &[ROUTE], handle)
}

/// Who takes an order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PickUpOrder {
    /// The rider; a rider who calls need not say so.
    rider_id: Option<RiderId>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let PickUpOrder { rider_id } = request.json_or_nothing()?;
    let rider = rider(&request.caller, rider_id)?;
    // Whoever rides may take any order that is delivered.
    let may_request = |caller: &Caller, order: &Order| order.store_id.is_some() || *caller == Caller::Operator;
    let asked = Transition { order_id, name: "pick-up", meaning: rider.as_str(), may_request };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), asked, |_| Command::PickUp(rider.clone())).await?,
    ))
}

/// A rider takes orders in no other's name.
fn rider(caller: &Caller, named: Option<RiderId>) -> Result<RiderId, Refusal> {
    match (caller, named) {
        (Caller::Rider(rider), None) => Ok(rider.clone()),
        (Caller::Rider(rider), Some(named)) if *rider == named => Ok(named),
        (Caller::Operator, Some(named)) => Ok(named),
        (Caller::Operator, None) => Err(Refusal::field("riderId", "is required")),
        (Caller::Anyone | Caller::Customer(_) | Caller::Store(_) | Caller::Rider(_) | Caller::Partner, _) => {
            Err(Refusal::Forbidden)
        }
    }
}
