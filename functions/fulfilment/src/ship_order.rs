//! `POST /orders/{orderId}/ship` says that a carrier has taken a paid order of goods (발송).

use domain::{
    Failure, Refusal, Role,
    delivery::{InvalidShipment, Shipment},
    lifecycle::Command,
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::transition::{self, Transition, transition};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/ship",
    Access::Roles(&[Role::Operator]),
    "A carrier has taken an order of goods (발송)",
)
.idempotent_by_key()
.request_body::<ShipOrder>()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The function.
pub fn function() -> Function {
    Function::http("ship-order", &[ROUTE], handle)
}

/// How an order is shipped.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShipOrder {
    /// Who carries it, 1 to 50 characters (택배사).
    carrier: String,
    /// The carrier's number for it, 1 to 64 characters (운송장 번호).
    tracking_number: String,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let ShipOrder { carrier, tracking_number } = request.json()?;
    let meaning = format!("{tracking_number} {carrier}");
    let shipment = Shipment { carrier, tracking_number };
    shipment.check().map_err(|invalid| match invalid {
        InvalidShipment::Carrier => Refusal::field("carrier", invalid),
        InvalidShipment::TrackingNumber => Refusal::field("trackingNumber", invalid),
    })?;
    let asked = Transition { order_id, name: "ship", meaning: &meaning, may_request: |_, _| true };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), asked, |_| Command::Ship(shipment.clone())).await?,
    ))
}
