//! Solapi (솔라피, CoolSMS): `POST /messages/v4/send-many/detail`
//! (<https://developers.solapi.com/references/messages/sendManyDetail>).
//!
//! Solapi does not recognise a repeated message. A message whose response was lost may arrive
//! twice.

use super::{Message, MessageType, Notifier, SMS_BYTES, SendError, call, euc_kr_bytes, is_final};
use crate::http;
use domain::Timestamp;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::{error::Error, fmt};

/// A client of Solapi.
pub struct Solapi {
    url: Url,
    account: SolapiAccount,
}

/// Our account with Solapi.
#[derive(Clone)]
pub struct SolapiAccount {
    /// The key that identifies the account.
    pub api_key: String,
    /// The secret that signs requests.
    pub api_secret: String,
    /// The id of our KakaoTalk channel (`KA01PF…`).
    pub pf_id: String,
    /// The number that text messages are sent from.
    pub sender: String,
}

impl fmt::Debug for Solapi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solapi").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// Returns the `Authorization` header of a request at `date` (ISO 8601). `salt` makes it unique.
pub fn authorization(
    api_key: &str,
    api_secret: &str,
    date: &str,
    salt: &str,
) -> Result<String, String> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(api_secret.as_bytes()).map_err(|error| error.to_string())?;
    mac.update(date.as_bytes());
    mac.update(salt.as_bytes());
    let signature = mac.finalize().into_bytes();
    let signature = signature.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Ok(format!("HMAC-SHA256 apiKey={api_key}, date={date}, salt={salt}, signature={signature}"))
}

/// A response of Solapi: the fields that are used here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseBody {
    #[serde(default)]
    failed_message_list: Vec<Failed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    status_code: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Problem {
    error_code: String,
}

impl Solapi {
    /// Creates a client for this base URL.
    pub fn new(
        base_url: &str,
        account: SolapiAccount,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let url = Url::parse(&format!(
            "{}/messages/v4/send-many/detail",
            base_url.trim_end_matches('/')
        ))?;
        Ok(Self { url, account })
    }

    fn body(&self, Message { id, to, text, message_type }: &Message) -> Value {
        let mut message = json!({
            "to": to.as_str(), "from": self.account.sender, "text": text, "customFields": { "id": id },
        });
        match message_type {
            MessageType::Sms => {
                message["type"] = json!(if euc_kr_bytes(text) > SMS_BYTES { "LMS" } else { "SMS" });
            }
            MessageType::Alimtalk { template, variables, or_else_sms } => {
                let variables: Map<String, Value> = variables
                    .iter()
                    .map(|(name, value)| (format!("#{{{name}}}"), json!(value)))
                    .collect();
                message["type"] = json!("ATA");
                message["kakaoOptions"] = json!({
                    "pfId": self.account.pf_id, "templateId": template, "variables": variables, "disableSms": !or_else_sms,
                });
            }
        }
        json!({ "messages": [message], "allowDuplicates": false, "showMessageList": false })
    }

    async fn submit(&self, message: &Message, now: Timestamp) -> Result<(), SendError> {
        let unreachable = |error: Box<dyn Error + Send + Sync>| SendError::Unreachable(error);
        let SolapiAccount { api_key, api_secret, .. } = &self.account;
        let salt = format!("{:032x}", rand::random::<u128>());
        let signed = authorization(api_key, api_secret, &now.to_string(), &salt);
        let mut signed = HeaderValue::from_str(&signed.map_err(|error| unreachable(error.into()))?)
            .map_err(|error| unreachable(error.into()))?;
        signed.set_sensitive(true);
        let request = http::client()
            .map_err(unreachable)?
            .post(self.url.clone())
            .header(AUTHORIZATION, signed)
            .header(CONTENT_TYPE, "application/json")
            .body(self.body(message).to_string());
        match call::<ResponseBody>(request).await? {
            Ok(response) => match response.failed_message_list.into_iter().next() {
                None => Ok(()),
                Some(Failed { status_code }) => Err(SendError::Refused(status_code)),
            },
            Err((status, body)) => {
                let Problem { error_code: code } =
                    serde_json::from_slice(&body).unwrap_or_default();
                Err(if is_final(status) {
                    SendError::Refused(code)
                } else {
                    SendError::NotNow { status: status.as_u16(), code }
                })
            }
        }
    }
}

impl Notifier for Solapi {
    fn name(&self) -> &'static str {
        "solapi"
    }

    fn send<'a>(
        &'a self,
        message: &'a Message,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.submit(message, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::phone::PhoneNumber;

    #[test]
    fn a_signature_has_the_format_that_solapi_checks() {
        let signed = authorization(
            "KEY",
            "SOLAPI_SECRET_EXAMPLE",
            "2026-01-05T12:04:05+09:00",
            "abcdefghijklmnopqrstuvwxyz012345",
        );
        let expected = "HMAC-SHA256 apiKey=KEY, date=2026-01-05T12:04:05+09:00, salt=abcdefghijklmnopqrstuvwxyz012345, \
            signature=f928ae4efe8c4aaaf8c20e93ad74771cfc56507804ae953ed753fa8ddf28973d";
        assert_eq!(signed.as_deref(), Ok(expected));
    }

    fn solapi() -> Solapi {
        let account = SolapiAccount {
            api_key: "KEY".into(),
            api_secret: "hidden".into(),
            pf_id: "KA01PF1".into(),
            sender: "0212345678".into(),
        };
        Solapi::new("https://api.solapi.com", account).unwrap()
    }

    #[test]
    fn an_alimtalk_has_the_shape_that_solapi_expects() {
        let message = Message {
            id: "ord_1-1-KAKAO".into(),
            to: "010-1234-5678".parse::<PhoneNumber>().unwrap().dialled().unwrap(),
            text: "홍길동님의 주문".into(),
            message_type: MessageType::Alimtalk {
                template: "KA01TP1".into(),
                variables: [("이름".to_owned(), "홍길동".to_owned())].into(),
                or_else_sms: true,
            },
        };
        let expected = json!({
            "messages": [{
                "to": "01012345678", "from": "0212345678", "text": "홍길동님의 주문", "customFields": { "id": "ord_1-1-KAKAO" },
                "type": "ATA",
                "kakaoOptions": {
                    "pfId": "KA01PF1", "templateId": "KA01TP1", "variables": { "#{이름}": "홍길동" }, "disableSms": false,
                },
            }],
            "allowDuplicates": false, "showMessageList": false,
        });
        assert_eq!(solapi().body(&message), expected);
    }

    #[test]
    fn a_text_longer_than_an_sms_is_sent_as_an_lms() {
        let of = |text: String| {
            let message = Message {
                id: "1".into(),
                to: "010".parse::<PhoneNumber>().unwrap().dialled().unwrap(),
                text,
                message_type: MessageType::Sms,
            };
            solapi().body(&message)["messages"][0]["type"].clone()
        };
        assert_eq!((of("가".repeat(45)), of("가".repeat(46))), (json!("SMS"), json!("LMS")));
    }

    #[test]
    fn debug_output_does_not_contain_the_secret() {
        assert!(!format!("{:?}", solapi()).contains("hidden"));
    }
}
