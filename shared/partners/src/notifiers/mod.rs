//! Notifiers: companies that deliver a message to a customer's phone, as an Alimtalk (알림톡) through
//! KakaoTalk or as a text message.

mod nhn_cloud;
mod open;
mod solapi;

pub use nhn_cloud::{NhnCloud, NhnCloudAccount};
pub use open::open;
pub use solapi::{Solapi, SolapiAccount, authorization as solapi_authorization};

use domain::{Timestamp, phone::Dialled};
use futures::future::BoxFuture;
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, error::Error, fmt};

/// The longest text of an SMS, in bytes of EUC-KR. A longer text is sent as an LMS.
pub const SMS_BYTES: usize = 90;

/// The title of an LMS.
const LMS_TITLE: &str = "주문 알림";

/// A client of a company that delivers messages.
pub trait Notifier: fmt::Debug + Send + Sync {
    /// The short name of the company, such as `solapi`.
    fn name(&self) -> &'static str;

    /// Submits a message. A company that recognises a repeated message accepts it only once.
    fn send<'a>(
        &'a self,
        message: &'a Message,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), SendError>>;
}

/// A message to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Identifies the message. A retry has the same id.
    pub id: String,
    /// The number of the recipient.
    pub to: Dialled,
    /// The text.
    pub text: String,
    /// The service that delivers the message.
    pub message_type: MessageType,
}

/// A service that delivers messages to phones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageType {
    /// Through KakaoTalk, with a template that Kakao has approved. The text is the template with
    /// its variables filled in.
    Alimtalk {
        /// The company's id of the template.
        template: String,
        /// The values of the variables. The names do not include the `#{}` around them.
        variables: BTreeMap<String, String>,
        /// Whether the company sends the text as a text message if KakaoTalk does not reach the
        /// phone.
        or_else_sms: bool,
    },
    /// As a text message.
    Sms,
}

/// Why a message was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The message will never be accepted: its number, template or text is not acceptable.
    #[error("the notifier refused the message with {0}")]
    Refused(String),
    /// The company does not accept the message now, or rejects our credentials.
    #[error("the notifier responded with {status} {code}")]
    NotNow {
        /// The HTTP status code.
        status: u16,
        /// The company's code, if any.
        code: String,
    },
    /// The company could not be reached, did not respond in time, or sent a malformed response. It
    /// may have accepted the message.
    #[error("the notifier could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

impl SendError {
    /// Whether the company itself fails (unreachable, 5xx, 429). The refusal of one message is not
    /// an outage.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::NotNow { status, .. } => {
                *status >= 500 || *status == StatusCode::TOO_MANY_REQUESTS.as_u16()
            }
            Self::Unreachable(_) => true,
        }
    }
}

/// Whether a request is refused because of its content, and not because of its time or its sender.
fn is_final(status: StatusCode) -> bool {
    let may_pass = [
        StatusCode::UNAUTHORIZED,
        StatusCode::PAYMENT_REQUIRED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !may_pass.contains(&status)
}

/// Sends a request. Returns the body of a success, or the status and body of an error response.
async fn call<T: DeserializeOwned>(
    request: RequestBuilder,
) -> Result<Result<T, (StatusCode, Vec<u8>)>, SendError> {
    let unreachable = |error: reqwest::Error| SendError::Unreachable(error.without_url().into());
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unreachable)?;
    if status.is_success() {
        serde_json::from_slice(&body).map(Ok).map_err(|error| SendError::Unreachable(error.into()))
    } else {
        Ok(Err((status, body.to_vec())))
    }
}

/// The length of a text in EUC-KR, as phones count it: one byte for an ASCII character, two for any
/// other.
pub fn euc_kr_bytes(text: &str) -> usize {
    text.chars().map(|character| if character.is_ascii() { 1 } else { 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangul_syllable_counts_as_two_bytes() {
        assert_eq!(euc_kr_bytes("주문 1건"), 2 + 2 + 1 + 1 + 2);
    }

    #[test]
    fn only_a_refusal_of_the_content_is_final() {
        for (status, expected) in [
            (400, true),
            (422, true),
            (401, false),
            (402, false),
            (403, false),
            (404, false),
            (408, false),
            (429, false),
            (500, false),
            (302, false),
        ] {
            assert_eq!(is_final(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
