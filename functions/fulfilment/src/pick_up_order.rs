//! `POST /orders/{orderId}/pick-up` lets a rider take a cooked order (픽업). Of two riders one wins.

use domain::{RiderId, lifecycle::Command, order::Order};
use edge::{Access, Answer, Caller, Function, Method, Rejected, Request, Role, Route};
use orders::moving::{Move, MoveRefusal, move_order};
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
.takes::<PickUpOrder>()
.answers::<events::Order>()
.problems(&[
    (404, "not-found", "there is no such order that the caller may know of"),
    (409, "wrong-status", "the order has another status: `orderStatus`; it must have one of `expected`"),
    (409, "too-many-deliveries", "the rider has `limit` open deliveries"),
    (422, "idempotency-key-reused", "the key was used for another request"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("pick-up-order", &[ROUTE], crate::open, handle)
}

/// Who takes an order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PickUpOrder {
    /// The rider; a rider who calls need not say so.
    rider_id: Option<RiderId>,
}

async fn handle(store: Store, request: Request) -> Result<Answer, MoveRefusal> {
    let order_id = request.path("orderId")?;
    let PickUpOrder { rider_id } = request.json_or_nothing()?;
    let rider = rider(&request.caller, rider_id)?;
    // Whoever rides may take any order that is delivered.
    let concerns = |caller: &Caller, order: &Order| order.store_id.is_some() || *caller == Caller::Operator;
    let asked = Move { order_id, name: "pick-up", meaning: rider.as_str(), concerns };
    move_order(&store, &request, asked, |_| Command::PickUp(rider.clone())).await
}

/// A rider takes orders in no other's name.
fn rider(caller: &Caller, named: Option<RiderId>) -> Result<RiderId, Rejected> {
    match (caller, named) {
        (Caller::Rider(rider), None) => Ok(rider.clone()),
        (Caller::Rider(rider), Some(named)) if *rider == named => Ok(named),
        (Caller::Operator, Some(named)) => Ok(named),
        (Caller::Operator, None) => Err(Rejected::field("riderId", "is needed")),
        (Caller::Anyone | Caller::Customer(_) | Caller::Store(_) | Caller::Rider(_) | Caller::Partner, _) => {
            Err(Rejected::Forbidden)
        }
    }
}
