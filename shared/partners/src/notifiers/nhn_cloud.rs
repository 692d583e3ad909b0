//! NHN Cloud: KakaoTalk Bizmessage v2.2
//! (<https://docs.nhncloud.com/ko/Notification/KakaoTalk%20Bizmessage/ko/alimtalk-api-guide/>)
//! and SMS v3.0 (<https://docs.nhncloud.com/ko/Notification/SMS/ko/api-guide/>).
//!
//! The body reports success or failure, and the HTTP status is 200 either way. NHN Cloud recognises
//! an Alimtalk that is repeated within ten minutes by its id.

use super::{
    LMS_TITLE, Message, MessageType, Notifier, SMS_BYTES, SendError, call, euc_kr_bytes, is_final,
};
use crate::http;
use domain::Timestamp;
use futures::future::BoxFuture;
use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{error::Error, fmt};

/// The header with the secret key of a product.
const SECRET_KEY: &str = "x-secret-key";
/// The header that identifies a message. A repeat within ten minutes is not sent again.
const IDEMPOTENCY_KEY: &str = "x-nc-api-idempotency-key";

/// A client of NHN Cloud.
pub struct NhnCloud {
    alimtalk: Url,
    /// The URLs for text messages: short ones (SMS) and long ones (LMS).
    sms: Url,
    lms: Url,
    account: NhnCloudAccount,
}

/// Our account with NHN Cloud. KakaoTalk Bizmessage and SMS are two products with their own keys.
#[derive(Clone)]
pub struct NhnCloudAccount {
    /// The appkey of KakaoTalk Bizmessage.
    pub alimtalk_app_key: String,
    /// The secret key of KakaoTalk Bizmessage.
    pub alimtalk_secret_key: String,
    /// The key of our KakaoTalk channel: 40 characters.
    pub sender_key: String,
    /// The appkey of SMS.
    pub sms_app_key: String,
    /// The secret key of SMS.
    pub sms_secret_key: String,
    /// The number that text messages are sent from.
    pub sender: String,
}

impl fmt::Debug for NhnCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.alimtalk.host_str().unwrap_or_default();
        f.debug_struct("NhnCloud").field("host", &host).finish_non_exhaustive()
    }
}

/// A response of NHN Cloud: the fields that are used here.
#[derive(Debug, Deserialize)]
struct ResponseBody {
    header: Header,
    /// The result for each recipient of an Alimtalk.
    #[serde(default)]
    message: Option<AlimtalkResults>,
    /// The result for each recipient of a text message.
    #[serde(default)]
    body: Option<SmsResults>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    is_successful: bool,
    result_code: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlimtalkResults {
    #[serde(default)]
    send_results: Option<Vec<RecipientResult>>,
}

#[derive(Debug, Deserialize)]
struct SmsResults {
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default)]
    send_result_list: Option<Vec<RecipientResult>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecipientResult {
    result_code: i64,
}

/// The message is a duplicate and is not sent again. It counts as accepted, on the assumption that
/// NHN Cloud remembers only accepted messages.
const DUPLICATE: i64 = -1005;

/// Codes of a permanent refusal: a bad parameter, the day's volume exhausted, the number blocked.
const REFUSALS: [i64; 3] = [4, -1017, -1027];

/// Codes of rejected credentials: a bad appkey, a bad secret key.
const BAD_CREDENTIALS: [i64; 2] = [-1000, -1001];

/// The result of a request with one message.
fn outcome(response: &ResponseBody) -> Result<(), SendError> {
    let Header { is_successful, result_code } = response.header;
    let alimtalk = response.message.iter().filter_map(|message| message.send_results.as_ref());
    let sms = response.body.iter().filter_map(|body| body.data.as_ref()?.send_result_list.as_ref());
    let refused = alimtalk.chain(sms).flatten().find(|result| result.result_code != 0);
    match refused {
        _ if result_code == DUPLICATE => Ok(()),
        Some(refused) => Err(SendError::Refused(refused.result_code.to_string())),
        None if is_successful => Ok(()),
        None if REFUSALS.contains(&result_code) => Err(SendError::Refused(result_code.to_string())),
        // The HTTP status is 200 for every code. This is the status with the same meaning.
        None => {
            let status = if BAD_CREDENTIALS.contains(&result_code) { 401 } else { 503 };
            Err(SendError::NotNow { status, code: result_code.to_string() })
        }
    }
}

impl NhnCloud {
    /// Creates a client. The base URLs are those of KakaoTalk Bizmessage and of SMS.
    pub fn new(
        alimtalk_url: &str,
        sms_url: &str,
        account: NhnCloudAccount,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (alimtalk_url, sms_url) =
            (alimtalk_url.trim_end_matches('/'), sms_url.trim_end_matches('/'));
        let (alimtalk_key, sms_key) = (&account.alimtalk_app_key, &account.sms_app_key);
        Ok(Self {
            alimtalk: Url::parse(&format!(
                "{alimtalk_url}/alimtalk/v2.2/appkeys/{alimtalk_key}/messages"
            ))?,
            sms: Url::parse(&format!("{sms_url}/sms/v3.0/appKeys/{sms_key}/sender/sms"))?,
            lms: Url::parse(&format!("{sms_url}/sms/v3.0/appKeys/{sms_key}/sender/mms"))?,
            account,
        })
    }

    /// The URL, the secret key and the body of a request.
    fn request(&self, Message { id, to, text, message_type }: &Message) -> (&Url, &str, Value) {
        let account = &self.account;
        let is_long = euc_kr_bytes(text) > SMS_BYTES;
        match message_type {
            MessageType::Alimtalk { template, variables, or_else_sms } => {
                let resend = json!({
                    "isResend": or_else_sms, "resendType": if is_long { "LMS" } else { "SMS" }, "resendTitle": LMS_TITLE,
                    "resendContent": text, "resendSendNo": account.sender,
                });
                let recipient = json!({
                    "recipientNo": to.as_str(), "templateParameter": variables, "recipientGroupingKey": id,
                    "resendParameter": if *or_else_sms { resend } else { json!({ "isResend": false }) },
                });
                let body = json!({
                    "senderKey": account.sender_key, "templateCode": template, "recipientList": [recipient],
                });
                (&self.alimtalk, &account.alimtalk_secret_key, body)
            }
            MessageType::Sms => {
                let mut body = json!({
                    "body": text, "sendNo": account.sender,
                    "recipientList": [{ "recipientNo": to.as_str(), "recipientGroupingKey": id }],
                });
                if is_long {
                    body["title"] = json!(LMS_TITLE);
                }
                (if is_long { &self.lms } else { &self.sms }, &account.sms_secret_key, body)
            }
        }
    }

    async fn submit(&self, message: &Message) -> Result<(), SendError> {
        let unreachable = |error: Box<dyn Error + Send + Sync>| SendError::Unreachable(error);
        let (url, secret_key, body) = self.request(message);
        let mut secret_key =
            HeaderValue::from_str(secret_key).map_err(|error| unreachable(error.into()))?;
        secret_key.set_sensitive(true);
        let request = http::client()
            .map_err(unreachable)?
            .post(url.clone())
            .header(SECRET_KEY, secret_key)
            .header(IDEMPOTENCY_KEY, &message.id)
            .header(CONTENT_TYPE, "application/json;charset=UTF-8")
            .body(body.to_string());
        match call::<ResponseBody>(request).await? {
            Ok(response) => outcome(&response),
            Err((status, _)) if is_final(status) => {
                Err(SendError::Refused(status.as_u16().to_string()))
            }
            Err((status, _)) => {
                Err(SendError::NotNow { status: status.as_u16(), code: String::new() })
            }
        }
    }
}

impl Notifier for NhnCloud {
    fn name(&self) -> &'static str {
        "nhn-cloud"
    }

    fn send<'a>(
        &'a self,
        message: &'a Message,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.submit(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::phone::PhoneNumber;

    fn nhn_cloud() -> NhnCloud {
        let account = NhnCloudAccount {
            alimtalk_app_key: "talk".into(),
            alimtalk_secret_key: "hidden-1".into(),
            sender_key: "s".repeat(40),
            sms_app_key: "text".into(),
            sms_secret_key: "hidden-2".into(),
            sender: "0212345678".into(),
        };
        NhnCloud::new(
            "https://api-alimtalk.cloud.toast.com",
            "https://api-sms.cloud.toast.com",
            account,
        )
        .unwrap()
    }

    fn message(text: &str, message_type: MessageType) -> Message {
        let to = "+82 10-1234-5678".parse::<PhoneNumber>().unwrap().dialled().unwrap();
        Message { id: "ord_1-1".into(), to, text: text.into(), message_type }
    }

    #[test]
    fn messages_have_the_shape_that_nhn_cloud_expects() {
        let nhn_cloud = nhn_cloud();
        let variables = [("orderNo".to_owned(), "ord_1".to_owned())].into();
        let alimtalk = message(
            "주문",
            MessageType::Alimtalk { template: "paid".into(), variables, or_else_sms: true },
        );
        let (url, secret_key, body) = nhn_cloud.request(&alimtalk);
        assert_eq!(
            url.as_str(),
            "https://api-alimtalk.cloud.toast.com/alimtalk/v2.2/appkeys/talk/messages"
        );
        assert_eq!(secret_key, "hidden-1");
        let resend = json!({
            "isResend": true, "resendType": "SMS", "resendTitle": LMS_TITLE, "resendContent": "주문", "resendSendNo": "0212345678",
        });
        let recipient = json!({
            "recipientNo": "01012345678", "templateParameter": { "orderNo": "ord_1" }, "recipientGroupingKey": "ord_1-1",
            "resendParameter": resend,
        });
        let expected = json!({ "senderKey": "s".repeat(40), "templateCode": "paid", "recipientList": [recipient] });
        assert_eq!(body, expected);

        let recipients =
            json!([{ "recipientNo": "01012345678", "recipientGroupingKey": "ord_1-1" }]);
        let sms = message("주문", MessageType::Sms);
        let (url, secret_key, body) = nhn_cloud.request(&sms);
        assert_eq!(
            url.as_str(),
            "https://api-sms.cloud.toast.com/sms/v3.0/appKeys/text/sender/sms"
        );
        assert_eq!(secret_key, "hidden-2");
        assert_eq!(
            body,
            json!({ "body": "주문", "sendNo": "0212345678", "recipientList": recipients })
        );
        let long = message(&"가".repeat(46), MessageType::Sms);
        let (url, _, body) = nhn_cloud.request(&long);
        assert_eq!(
            (url.path(), &body["title"]),
            ("/sms/v3.0/appKeys/text/sender/mms", &json!(LMS_TITLE))
        );
        assert!(!format!("{nhn_cloud:?}").contains("hidden"));
    }

    #[test]
    fn the_response_body_contains_the_result_of_the_message() {
        let result = |is_successful: bool, code: i64, recipient: i64| {
            let response = json!({
                "header": { "resultCode": code, "resultMessage": "…", "isSuccessful": is_successful },
                "message": { "requestId": "1", "sendResults": [{ "recipientSeq": 1, "resultCode": recipient, "resultMessage": "…" }] },
            });
            outcome(&serde_json::from_value(response).unwrap())
        };
        assert!(result(true, 0, 0).is_ok());
        assert!(result(false, DUPLICATE, 0).is_ok(), "the first request was accepted");
        assert!(matches!(result(true, 0, -3), Err(SendError::Refused(code)) if code == "-3"));
        for code in REFUSALS {
            assert!(matches!(result(false, code, 0), Err(SendError::Refused(_))), "{code}");
        }
        for (code, expected) in [(-1000, false), (-1001, false), (-1006, true), (-9999, true)] {
            let error = result(false, code, 0).unwrap_err();
            assert!(matches!(error, SendError::NotNow { .. }), "{code}");
            assert_eq!(error.is_outage(), expected, "{code}: whether the circuit opens");
        }
        for nothing in [json!({ "data": null }), json!(null)] {
            let refusal = json!({ "header": { "resultCode": 4, "isSuccessful": false }, "message": null, "body": nothing });
            assert!(matches!(
                outcome(&serde_json::from_value(refusal).unwrap()),
                Err(SendError::Refused(_))
            ));
        }
        let sms = json!({
            "header": { "resultCode": 0, "isSuccessful": true },
            "body": { "data": { "requestId": "1", "statusCode": "2", "sendResultList": [{ "recipientNo": "010", "resultCode": -2 }] } },
        });
        assert!(matches!(
            outcome(&serde_json::from_value(sms).unwrap()),
            Err(SendError::Refused(_))
        ));
    }
}
