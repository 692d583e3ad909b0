//! The payment gateway (결제 대행): Toss Payments' core API, version 2022-11-16
//! (<https://docs.tosspayments.com/reference>).
//!
//! The main question of a response is whether the card was charged. A missing response, or one that
//! leaves this open, is [`Confirmation::Unknown`]. The caller must then query the payment with
//! [`PaymentGateway::find`].

use crate::http;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    Won,
    payment::{InvalidPaymentKey, PaymentKey},
};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use std::{error::Error, fmt};

/// The header that identifies a POST. For 15 days the gateway returns the first response to a
/// repeated key and executes nothing again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A client of the gateway for one merchant.
#[derive(Clone)]
pub struct PaymentGateway {
    base: Url,
    authorization: HeaderValue,
}

impl fmt::Debug for PaymentGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentGateway").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// The result of a request to charge a card.
#[derive(Debug)]
pub enum Confirmation {
    /// The card was charged.
    Charged,
    /// The card was not charged, and will not be. Contains the gateway's code, which says why.
    Declined(String),
    /// It is not known yet whether the card was charged.
    Unknown(GatewayError),
}

/// The state of a payment at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The card was charged this amount.
    Charged(Won),
    /// The card was not charged under the given key, but the order was charged under this one.
    ChargedUnder(PaymentKey),
    /// The card was not charged: the payment was declined, never arrived, or was charged and
    /// refunded. Contains the gateway's code or status, which says which.
    NotCharged(String),
}

/// Why a request to the gateway failed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The response does not say what happened to the payment.
    #[error("the payment gateway responded with {status} {code}")]
    Status {
        /// The HTTP status code.
        status: u16,
        /// The gateway's code, if any. In a 200 response, the status of the payment.
        code: String,
    },
    /// The gateway could not be reached, did not respond in time, or sent a malformed response.
    #[error("the payment gateway could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

impl GatewayError {
    /// Whether the gateway itself fails (unreachable, 5xx, 429). The refusal of one request is not
    /// an outage.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                *status >= 500 || *status == StatusCode::TOO_MANY_REQUESTS.as_u16()
            }
            Self::Unreachable(_) => true,
        }
    }
}

/// A payment: the fields that are used here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    payment_key: String,
    status: String,
    total_amount: i64,
}

impl Payment {
    fn key(&self) -> Result<PaymentKey, GatewayError> {
        self.payment_key
            .parse()
            .map_err(|error: InvalidPaymentKey| GatewayError::Unreachable(error.into()))
    }

    fn found(&self) -> Result<Found, GatewayError> {
        if self.status != "DONE" {
            return Ok(Found::NotCharged(self.status.clone()));
        }
        Won::new(self.total_amount)
            .map(Found::Charged)
            .map_err(|error| GatewayError::Unreachable(error.into()))
    }
}

/// The body of an error response.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    code: String,
}

/// Codes of 4xx responses that do not rule out a charge: the payment was already made or is in
/// progress, the card company has an outage, or our own key is rejected.
const INCONCLUSIVE: [&str; 6] = [
    "ALREADY_PROCESSED_PAYMENT",
    "DUPLICATED_ORDER_ID",
    "IDEMPOTENT_REQUEST_PROCESSING",
    "PROVIDER_ERROR",
    "UNAUTHORIZED_KEY",
    "INVALID_API_KEY",
];

impl PaymentGateway {
    /// Creates a client for this base URL. The secret key authenticates the merchant.
    pub fn new(base_url: &str, secret_key: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let base = Url::parse(&format!("{}/", base_url.trim_end_matches('/')))?;
        // Basic authentication: the secret key is the user, and the password is empty.
        let mut authorization =
            HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{secret_key}:"))))?;
        authorization.set_sensitive(true);
        Ok(Self { base, authorization })
    }

    /// Charges the payment that the customer has authorised under `key`. `order` is the order's id
    /// at the gateway. A repeat with the same `idempotency_key` does not charge again.
    pub async fn confirm(
        &self,
        key: &PaymentKey,
        order: &str,
        amount: Won,
        idempotency_key: &str,
    ) -> Confirmation {
        let body = json!({ "paymentKey": key.as_str(), "orderId": order, "amount": amount });
        match self.post("v1/payments/confirm", idempotency_key, &body.to_string()).await {
            Ok(Ok(payment)) if payment.status == "DONE" => Confirmation::Charged,
            Ok(Ok(payment)) => {
                Confirmation::Unknown(GatewayError::Status { status: 200, code: payment.status })
            }
            Ok(Err((status, code))) if is_final(status, &code) => Confirmation::Declined(code),
            Ok(Err((status, code))) => {
                Confirmation::Unknown(GatewayError::Status { status: status.as_u16(), code })
            }
            Err(error) => Confirmation::Unknown(error),
        }
    }

    /// Returns the state of an order's payment under a key.
    ///
    /// An order may have several payments, and the gateway returns one of them. If that one has a
    /// different key, the payment is queried by `key`.
    pub async fn find(&self, order: &str, key: &PaymentKey) -> Result<Found, GatewayError> {
        let of_order = self.look_up(&format!("v1/payments/orders/{order}")).await?;
        if let Ok(payment) = &of_order
            && payment.payment_key == key.as_str()
        {
            return payment.found();
        }
        match (self.look_up(&format!("v1/payments/{}", key.as_str())).await?, of_order) {
            (Ok(own), _) if own.status == "DONE" => own.found(),
            (_, Ok(other)) if other.status == "DONE" => Ok(Found::ChargedUnder(other.key()?)),
            (Ok(own), _) => own.found(),
            (Err(code), _) => Ok(Found::NotCharged(code)),
        }
    }

    /// Reads a payment. The inner error is the gateway's code if the payment does not exist.
    async fn look_up(&self, path: &str) -> Result<Result<Payment, String>, GatewayError> {
        match send::<Payment>(self.request(Method::GET, path)?).await? {
            Ok(payment) => Ok(Ok(payment)),
            // Any other 404 is not from the gateway: the base URL leads elsewhere.
            Err((StatusCode::NOT_FOUND, code)) if code.starts_with("NOT_FOUND") => Ok(Err(code)),
            Err((status, code)) => Err(GatewayError::Status { status: status.as_u16(), code }),
        }
    }

    /// Refunds a charge in full. Succeeds if the refund is done, by this call or an earlier one.
    pub async fn cancel(
        &self,
        key: &PaymentKey,
        reason: &str,
        idempotency_key: &str,
    ) -> Result<(), GatewayError> {
        let path = format!("v1/payments/{}/cancel", key.as_str());
        let body = json!({ "cancelReason": reason });
        match self.post(&path, idempotency_key, &body.to_string()).await? {
            Ok(payment) if payment.status == "CANCELED" => Ok(()),
            Ok(payment) => Err(GatewayError::Status { status: 200, code: payment.status }),
            Err((_, code)) if code == "ALREADY_CANCELED_PAYMENT" => Ok(()),
            Err((status, code)) => Err(GatewayError::Status { status: status.as_u16(), code }),
        }
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, GatewayError> {
        let url = self.base.join(path).map_err(|error| GatewayError::Unreachable(error.into()))?;
        let client = http::client().map_err(GatewayError::Unreachable)?;
        Ok(client.request(method, url).header(AUTHORIZATION, &self.authorization))
    }

    async fn post(
        &self,
        path: &str,
        idempotency_key: &str,
        body: &str,
    ) -> Result<GatewayResponse<Payment>, GatewayError> {
        let request = self.request(Method::POST, path)?.header(IDEMPOTENCY_KEY, idempotency_key);
        send(request.header(CONTENT_TYPE, "application/json").body(body.to_owned())).await
    }
}

/// Whether an error response rules out that the card will be charged.
fn is_final(status: StatusCode, code: &str) -> bool {
    let may_pass = [
        StatusCode::UNAUTHORIZED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    let is_of_gateway = !code.is_empty();
    is_of_gateway
        && status.is_client_error()
        && !may_pass.contains(&status)
        && !INCONCLUSIVE.contains(&code)
}

/// The requested value, or the status and code of an error response.
type GatewayResponse<T> = Result<T, (StatusCode, String)>;

async fn send<T: DeserializeOwned>(
    request: RequestBuilder,
) -> Result<GatewayResponse<T>, GatewayError> {
    let unreachable = |error: reqwest::Error| GatewayError::Unreachable(error.without_url().into());
    let response: Response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unreachable)?;
    if status == StatusCode::OK {
        let read = serde_json::from_slice(&body);
        return read.map(Ok).map_err(|error| GatewayError::Unreachable(error.into()));
    }
    let ErrorBody { code } = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Err((status, code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_response_about_the_payment_is_final() {
        for (status, code, expected) in [
            (403, "REJECT_CARD_PAYMENT", true),
            (400, "INVALID_CARD_EXPIRATION", true),
            (404, "NOT_FOUND_PAYMENT_SESSION", true),
            (403, "", false),
            (400, "ALREADY_PROCESSED_PAYMENT", false),
            (400, "PROVIDER_ERROR", false),
            (401, "UNAUTHORIZED_KEY", false),
            (409, "IDEMPOTENT_REQUEST_PROCESSING", false),
            (429, "", false),
            (500, "FAILED_INTERNAL_SYSTEM_PROCESSING", false),
            (302, "", false),
        ] {
            assert_eq!(
                is_final(StatusCode::from_u16(status).unwrap(), code),
                expected,
                "{status} {code}"
            );
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_secret_key() {
        let gateway =
            PaymentGateway::new("https://api.tosspayments.com", "test_sk_secret").unwrap();
        assert!(!format!("{gateway:?}").contains("secret"));
        assert_eq!(gateway.authorization.to_str().unwrap(), "Basic dGVzdF9za19zZWNyZXQ6");
    }
}
