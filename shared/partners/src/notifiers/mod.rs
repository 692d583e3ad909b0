//! Notifiers: companies that bring a message to a customer's phone, as Alimtalk (알림톡) through KakaoTalk or as a text
//! message.

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

/// The longest text of an SMS, in bytes of EUC-KR; a longer one goes as LMS.
pub const SMS_BYTES: usize = 90;

/// What a longer text message is headed with.
const LMS_TITLE: &str = "주문 알림";

/// A company that brings messages.
pub trait Notifier: fmt::Debug + Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Hands a message over. It is taken once, where the company can tell that it was handed over before.
    fn send<'a>(&'a self, message: &'a Message, now: Timestamp) -> BoxFuture<'a, Result<(), SendError>>;
}

/// A message to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names it: handed over again it has the same id.
    pub id: String,
    /// To whom.
    pub to: Dialled,
    /// What it says.
    pub text: String,
    /// By which way.
    pub way: Way,
}

/// A way to a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Through KakaoTalk, by a template that Kakao has approved; the text is the template with its variables filled in.
    Alimtalk {
        /// The template, as the company knows it.
        template: String,
        /// The values of its variables, without the `#{}` around their names.
        variables: BTreeMap<String, String>,
        /// Whether the company sends the text as a text message where KakaoTalk does not reach the phone.
        or_else_sms: bool,
    },
    /// As a text message.
    Sms,
}

/// Why a message was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It will never be taken: the number, the template or the text is not acceptable.
    #[error("it was refused with {0}")]
    Refused(String),
    /// The company does not take it now, or does not know us.
    #[error("the notifier answered {status} {code}")]
    NotNow {
        /// The HTTP status.
        status: u16,
        /// The company's code.
        code: String,
    },
    /// The company could not be reached, or not in time, or what it said is not to be understood. It may have taken it.
    #[error("the notifier could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

impl SendError {
    /// Whether the company itself is in trouble, as distinct from refusing what it was asked.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::NotNow { status, .. } => *status >= 500 || *status == StatusCode::TOO_MANY_REQUESTS.as_u16(),
            Self::Unreachable(_) => true,
        }
    }
}

/// Whether a refused request is the fault of what it says, and not of when it comes or of who sends it.
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

/// Sends a request, and reads what a success says; or else the status and body of the failure.
async fn call<T: DeserializeOwned>(request: RequestBuilder) -> Result<Result<T, (StatusCode, Vec<u8>)>, SendError> {
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

/// The length of a text as phones count it: in EUC-KR a Latin letter or digit has one byte, everything else two.
pub fn euc_kr_bytes(text: &str) -> usize {
    text.chars().map(|character| if character.is_ascii() { 1 } else { 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_counts_hangul_twice() {
        assert_eq!(euc_kr_bytes("주문 1건"), 2 + 2 + 1 + 1 + 2);
    }

    #[test]
    fn only_what_a_request_says_makes_its_refusal_final() {
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
