//! A stub of NHN Cloud: accepts Alimtalk (KakaoTalk Bizmessage v2.2) and text messages (SMS v3.0).
//!
//! A refusal is in the body of a response with status 200. A message that is repeated under its
//! idempotency key within ten minutes is not accepted again.
//!
//! In the mode `decline` no phone has KakaoTalk: an Alimtalk is refused, a text message is
//! accepted.

use super::{Accepted, StubRequest, StubResponse, System};
use domain::Timestamp;
use partners::notifiers::{SMS_BYTES, euc_kr_bytes};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How long an idempotency key is remembered.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);

/// The most recipients of one request.
const MAX_RECIPIENTS: usize = 1_000;

const BAD_PARAMETER: i64 = 4;
const BAD_APP_KEY: i64 = -1000;
const BAD_SECRET_KEY: i64 = -1001;
const REPEATED: i64 = -1005;
/// The service has an outage.
const OUTAGE: i64 = -9999;
/// The phone has no KakaoTalk.
const NOT_ON_KAKAO_TALK: i64 = 3019;

#[derive(Debug)]
pub(super) struct NhnCloud {
    app_key: String,
    secret_key: String,
    /// The idempotency keys received, each with its time.
    seen: Mutex<HashMap<String, Timestamp>>,
    taken: Accepted,
}

fn header(code: i64) -> Value {
    json!({ "resultCode": code, "resultMessage": if code == 0 { "success" } else { "fail" }, "isSuccessful": code == 0 })
}

fn refusal(code: i64) -> StubResponse {
    (200, json!({ "header": header(code) }))
}

impl NhnCloud {
    pub(super) fn new() -> Self {
        let (app_key, secret_key) = (rand::random::<u64>(), rand::random::<u32>());
        Self {
            app_key: format!("{app_key:016x}"),
            secret_key: format!("{secret_key:08x}"),
            seen: Mutex::default(),
            taken: Accepted::default(),
        }
    }

    fn take(&self, request: &StubRequest<'_>, on_kakao_talk: bool) -> StubResponse {
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let (is_alimtalk, is_long, app_key) = match (request.method, &parts[..]) {
            ("POST", ["alimtalk", "v2.2", "appkeys", app_key, "messages"]) => {
                (true, false, *app_key)
            }
            ("POST", ["sms", "v3.0", "appKeys", app_key, "sender", "sms"]) => {
                (false, false, *app_key)
            }
            ("POST", ["sms", "v3.0", "appKeys", app_key, "sender", "mms"]) => {
                (false, true, *app_key)
            }
            _ => return (404, Value::Null),
        };
        if app_key != self.app_key {
            return refusal(BAD_APP_KEY);
        }
        if request.header("x-secret-key") != self.secret_key {
            return refusal(BAD_SECRET_KEY);
        }
        let body: Value = serde_json::from_str(request.body).unwrap_or_default();
        let is_invalid =
            if is_alimtalk { is_invalid_alimtalk(&body) } else { is_invalid_sms(&body, is_long) };
        let recipients = body["recipientList"].as_array().map_or(&[][..], Vec::as_slice);
        if is_invalid || !(1..=MAX_RECIPIENTS).contains(&recipients.len()) {
            return refusal(BAD_PARAMETER);
        }
        if self.is_repeated(request) {
            return refusal(REPEATED);
        }
        let code = if is_alimtalk && !on_kakao_talk { NOT_ON_KAKAO_TALK } else { 0 };
        let result = |(place, recipient): (usize, &Value)| {
            if code == 0 {
                let kind = if is_alimtalk {
                    "ATA"
                } else if is_long {
                    "LMS"
                } else {
                    "SMS"
                };
                self.taken.add(json!({ "id": recipient["recipientGroupingKey"], "type": kind }));
            }
            json!({
                "recipientSeq": place + 1, "recipientNo": recipient["recipientNo"], "resultCode": code,
                "resultMessage": if code == 0 { "success" } else { "fail" },
                "recipientGroupingKey": recipient["recipientGroupingKey"],
            })
        };
        let results: Vec<Value> = recipients.iter().enumerate().map(result).collect();
        let request_id = request.now.millis().to_string();
        (
            200,
            if is_alimtalk {
                json!({ "header": header(0), "message": { "requestId": request_id, "sendResults": results } })
            } else {
                let data = json!({ "requestId": request_id, "statusCode": "2", "sendResultList": results });
                json!({ "header": header(0), "body": { "data": data } })
            },
        )
    }

    fn is_repeated(&self, request: &StubRequest<'_>) -> bool {
        let key = request.header("x-nc-api-idempotency-key");
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, at| request.now < at.plus(REMEMBERED_FOR));
        !key.is_empty() && seen.insert(key.to_owned(), request.now).is_some()
    }
}

fn has(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn has_invalid_number(body: &Value) -> bool {
    let is_number = |number: &Value| {
        number.as_str().is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let recipients = body["recipientList"].as_array().map_or(&[][..], Vec::as_slice);
    !recipients
        .iter()
        .all(|recipient| has(&recipient["recipientNo"]) && is_number(&recipient["recipientNo"]))
}

fn is_invalid_alimtalk(body: &Value) -> bool {
    let is_code = |code: &Value| code.as_str().is_some_and(|code| (1..=20).contains(&code.len()));
    has_invalid_number(body) || !has(&body["senderKey"]) || !is_code(&body["templateCode"])
}

fn is_invalid_sms(body: &Value, is_long: bool) -> bool {
    let fits = |text: &str| is_long || euc_kr_bytes(text) <= SMS_BYTES;
    has_invalid_number(body)
        || !has(&body["sendNo"])
        || !body["body"].as_str().is_some_and(fits)
        || (is_long && !has(&body["title"]))
}

impl System for NhnCloud {
    fn respond(&self, request: &StubRequest<'_>) -> StubResponse {
        self.take(request, true)
    }

    fn decline(&self, request: &StubRequest<'_>) -> StubResponse {
        self.take(request, false)
    }

    fn error(&self) -> StubResponse {
        (500, json!({ "header": header(OUTAGE) }))
    }

    fn books(&self) -> Value {
        json!({ "messages": self.taken.all() })
    }

    fn credentials(&self) -> Value {
        json!({ "appKey": self.app_key, "secretKey": self.secret_key })
    }
}
