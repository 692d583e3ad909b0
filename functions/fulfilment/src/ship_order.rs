//! `POST /orders/{orderId}/ship` marks a paid retail order as handed over to a carrier (발송).

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

/// `POST /orders/{orderId}/ship`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/ship",
    Access::Roles(&[Role::Operator]),
    "Marks a retail order as handed over to a carrier (발송)",
)
.idempotent_by_key()
.request_body::<ShipOrder>()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The `ship-order` handler.
pub fn function() -> Function {
    Function::http("ship-order", const { &[ROUTE.served()] }, handle)
}

/// The details of a shipment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShipOrder {
    /// The carrier, 1 to 50 characters (택배사).
    carrier: String,
    /// The carrier's tracking number, 1 to 64 characters (운송장 번호).
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
    let ship = Transition { order_id, name: "ship", meaning: &meaning, may_request: |_, _| true };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), ship, |_| {
            Command::Ship(shipment.clone())
        })
        .await?,
    ))
}
