//! The payment gateway (결제 대행): Toss Payments' core API, version 2022-11-16 (<https://docs.tosspayments.com/reference>).
//!
//! What matters most about an answer is whether the card was charged. An answer that does not say so, or that never came,
//! is [`Confirmation::Unknown`]: whoever gets it must ask again, by [`PaymentGateway::find`].

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

/// Names a POST: the gateway answers a repeat as it answered the first, for 15 days, and does nothing again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The gateway, as one merchant.
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

/// What came of asking the gateway to charge.
#[derive(Debug)]
pub enum Confirmation {
    /// The card was charged.
    Charged,
    /// It was not, and will not be: the gateway's code says why.
    Declined(String),
    /// Nobody knows yet.
    Unknown(GatewayError),
}

/// What the gateway knows of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The card was charged.
    Charged(Won),
    /// It was not; but the order was charged under this other key.
    ChargedUnder(PaymentKey),
    /// The card was not charged: it was declined, or nothing ever came in, or it was charged and that was taken back. The
    /// gateway's code or status says which.
    NotCharged(String),
}

/// Why the gateway did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It answered with an error that says nothing about the payment.
    #[error("the payment gateway answered {status} {code}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The gateway's code, if it gave one.
        code: String,
    },
    /// It could not be reached, or not in time, or what it said is not to be understood.
    #[error("the payment gateway could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

impl GatewayError {
    /// Whether the gateway itself is in trouble, as distinct from refusing what it was asked.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500 || *status == StatusCode::TOO_MANY_REQUESTS.as_u16(),
            Self::Unreachable(_) => true,
        }
    }
}

/// A payment, as far as we read it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    payment_key: String,
    status: String,
    total_amount: i64,
}

impl Payment {
    fn key(&self) -> Result<PaymentKey, GatewayError> {
        self.payment_key.parse().map_err(|error: InvalidPaymentKey| GatewayError::Unreachable(error.into()))
    }

    fn found(&self) -> Result<Found, GatewayError> {
        if self.status != "DONE" {
            return Ok(Found::NotCharged(self.status.clone()));
        }
        Won::new(self.total_amount).map(Found::Charged).map_err(|error| GatewayError::Unreachable(error.into()))
    }
}

/// An error, as the gateway words it.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    code: String,
}

/// Codes of 4xx answers that do not say that the card will not be charged: the payment was made already, or is being made,
/// or the card company is out of order, or it is our own key that is refused.
const INCONCLUSIVE: [&str; 6] = [
    "ALREADY_PROCESSED_PAYMENT",
    "DUPLICATED_ORDER_ID",
    "IDEMPOTENT_REQUEST_PROCESSING",
    "PROVIDER_ERROR",
    "UNAUTHORIZED_KEY",
    "INVALID_API_KEY",
];

impl PaymentGateway {
    /// The gateway at a base URL, to which we are known by a secret key.
    pub fn new(base_url: &str, secret_key: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let base = Url::parse(&format!("{}/", base_url.trim_end_matches('/')))?;
        // The secret key is the user, and the password is empty.
        let mut authorization = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{secret_key}:"))))?;
        authorization.set_sensitive(true);
        Ok(Self { base, authorization })
    }

    /// Charges what the customer has authorised under `key`, for what the gateway knows as `order`. Asking again under the same `idempotency_key` charges nothing.
    pub async fn confirm(&self, key: &PaymentKey, order: &str, amount: Won, idempotency_key: &str) -> Confirmation {
        let body = json!({ "paymentKey": key.as_str(), "orderId": order, "amount": amount });
        match self.post("v1/payments/confirm", idempotency_key, &body.to_string()).await {
            Ok(Ok(payment)) if payment.status == "DONE" => Confirmation::Charged,
            Ok(Ok(payment)) => Confirmation::Unknown(GatewayError::Status { status: 200, code: payment.status }),
            Ok(Err((status, code))) if is_final(status, &code) => Confirmation::Declined(code),
            Ok(Err((status, code))) => Confirmation::Unknown(GatewayError::Status { status: status.as_u16(), code }),
            Err(unanswered) => Confirmation::Unknown(unanswered),
        }
    }

    /// What became of the payment of an order under a key. An order may have several payments, of which the gateway tells
    /// one: where that is another, the key itself is asked for.
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

    /// A payment, or the gateway's code for that there is none.
    async fn look_up(&self, path: &str) -> Result<Result<Payment, String>, GatewayError> {
        match answer::<Payment>(self.request(Method::GET, path)?).await? {
            Ok(payment) => Ok(Ok(payment)),
            // Another 404 is not the gateway's: the URL leads elsewhere.
            Err((StatusCode::NOT_FOUND, code)) if code.starts_with("NOT_FOUND") => Ok(Err(code)),
            Err((status, code)) => Err(GatewayError::Status { status: status.as_u16(), code }),
        }
    }

    /// Takes a charge back, all of it. It is done when this says so, also if it was done before.
    pub async fn cancel(&self, key: &PaymentKey, reason: &str, idempotency_key: &str) -> Result<(), GatewayError> {
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
    ) -> Result<FirstResponse<Payment>, GatewayError> {
        let request = self.request(Method::POST, path)?.header(IDEMPOTENCY_KEY, idempotency_key);
        answer(request.header(CONTENT_TYPE, "application/json").body(body.to_owned())).await
    }
}

/// Whether an error says that the card will not be charged.
fn is_final(status: StatusCode, code: &str) -> bool {
    let may_pass =
        [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
    let is_of_gateway = !code.is_empty();
    is_of_gateway && status.is_client_error() && !may_pass.contains(&status) && !INCONCLUSIVE.contains(&code)
}

/// What was asked for, or the status and code of an error.
type FirstResponse<T> = Result<T, (StatusCode, String)>;

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<FirstResponse<T>, GatewayError> {
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
    fn only_an_answer_about_the_payment_is_final() {
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
            assert_eq!(is_final(StatusCode::from_u16(status).unwrap(), code), expected, "{status} {code}");
        }
    }

    #[test]
    fn the_secret_key_is_not_shown() {
        let gateway = PaymentGateway::new("https://api.tosspayments.com", "test_sk_secret").unwrap();
        assert!(!format!("{gateway:?}").contains("secret"));
        assert_eq!(gateway.authorization.to_str().unwrap(), "Basic dGVzdF9za19zZWNyZXQ6");
    }
}
