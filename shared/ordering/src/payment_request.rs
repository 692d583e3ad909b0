//! The payment and the delivery in a request: the parts that several requests share.

use domain::{Refusal, delivery::Delivery, payment::PaymentKey, request::PaymentChoice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an order is to be paid.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequest {
    /// The payment method.
    method: OwnPaymentMethod,
    /// The payment that the customer authorised at the payment gateway. Without it an order by card
    /// is placed with its stock reserved, and is paid later. A payment window is opened for an
    /// order's id and amount: for an order that is yet to be placed, the id follows from customer
    /// and `Idempotency-Key` (`ord_` and the first 16 bytes of SHA-256 of the customer's id, a zero
    /// byte and the key, in Crockford's base 32).
    #[schemars(with = "Option<PaymentKey>")]
    payment_key: Option<String>,
}

/// How an order that is placed here is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "PaymentMethod")]
pub enum OwnPaymentMethod {
    /// From the customer's balance of points.
    Points,
    /// By card, through the payment gateway.
    Card,
}

impl PaymentRequest {
    /// The choice that the request makes; points are the default. `path` leads to the request in
    /// the body.
    pub fn choice(request: Option<Self>, path: &str) -> Result<PaymentChoice, Refusal> {
        let Some(Self { method: OwnPaymentMethod::Card, payment_key }) = request else {
            return Ok(PaymentChoice::Points);
        };
        let key = payment_key.map(|key| key.parse()).transpose();
        key.map(PaymentChoice::Card)
            .map_err(|error| Refusal::field(format!("{path}paymentKey"), error))
    }
}

/// A delivery whose parts are valid.
pub fn checked(delivery: Option<Delivery>) -> Result<Option<Delivery>, Refusal> {
    if let Some(delivery) = &delivery {
        delivery
            .check()
            .map_err(|invalid| Refusal::field(format!("delivery.{}", invalid.0), invalid))?;
    }
    Ok(delivery)
}
