//! `POST /orders/{orderId}/pick-up` assigns a cooked order to a rider (픽업). Of two concurrent
//! riders, one succeeds.

use domain::{
    Caller, Failure, Refusal, RefusalKind, RiderId, Role, lifecycle::Command, order::Order,
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::transition::{Transition, transition};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// `POST /orders/{orderId}/pick-up`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/pick-up",
    Access::Roles(&[Role::Rider, Role::Operator]),
    "Assigns a cooked order to a rider (픽업)",
)
.idempotent_by_key()
.request_body::<PickUpOrder>()
.response::<events::Order>()
.problems(&[
    RefusalKind::NotFound,
    RefusalKind::WrongStatus,
    RefusalKind::TooManyDeliveries,
    RefusalKind::KeyReused,
]);

/// The `pick-up-order` handler.
pub fn function() -> Function {
    Function::http("pick-up-order", const { &[ROUTE.served()] }, handle)
}

/// The rider who picks an order up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PickUpOrder {
    /// The rider's id. Operators must give it; riders can omit it.
    rider_id: Option<RiderId>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let PickUpOrder { rider_id } = request.json_or_nothing()?;
    let rider = rider(&request.caller, rider_id)?;
    // Every rider may pick up every order that is delivered.
    let may_request =
        |caller: &Caller, order: &Order| order.store_id.is_some() || caller.is_operator();
    let pick_up = Transition { order_id, name: "pick-up", meaning: rider.as_str(), may_request };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), pick_up, |_| {
            Command::PickUp(rider.clone())
        })
        .await?,
    ))
}

/// The rider who picks the order up. A rider cannot pick up orders for another rider.
fn rider(caller: &Caller, named: Option<RiderId>) -> Result<RiderId, Refusal> {
    match (caller, named) {
        (Caller::Rider(rider), None) => Ok(rider.clone()),
        (Caller::Rider(rider), Some(named)) if *rider == named => Ok(named),
        (Caller::Operator(_), Some(named)) => Ok(named),
        (Caller::Operator(_), None) => Err(Refusal::field("riderId", "is required")),
        (
            Caller::Anyone
            | Caller::Customer(_)
            | Caller::Store(_)
            | Caller::Rider(_)
            | Caller::Partner(..),
            _,
        ) => Err(Refusal::Forbidden),
    }
}
