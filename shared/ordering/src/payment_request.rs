//! How a customer asks to pay, and where an order goes: the parts that several requests share.

use domain::{
    Refusal,
    delivery::Delivery,
    payment::{PaymentKey, PaymentMethod},
    request::PaymentChoice,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// How an order is to be paid.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequest {
    /// The means.
    method: PaymentMethod,
    /// The payment that the customer authorised at the payment gateway. Without it an order by card
    /// is placed with its stock reserved, and is paid later. A payment window is opened for an
    /// order's id and amount: for an order that is yet to be placed, the id follows from customer
    /// and `Idempotency-Key` (`ord_` and the first 16 bytes of SHA-256 of the customer's id, a zero
    /// byte and the key, in Crockford's base 32).
    #[schemars(with = "Option<PaymentKey>")]
    payment_key: Option<String>,
}

impl PaymentRequest {
    /// The choice that the request makes; points are the default. `path` leads to the request in
    /// the body.
    pub fn choice(request: Option<Self>, path: &str) -> Result<PaymentChoice, Refusal> {
        let Some(Self { method: PaymentMethod::Card, payment_key }) = request else {
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
