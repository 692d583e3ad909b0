//! A stub of Solapi: accepts Alimtalk and text messages at `POST /messages/v4/send-many/detail`.
//!
//! A request must be signed with our secret, within a quarter of an hour of now.
//!
//! In the mode `decline` no phone has KakaoTalk: an Alimtalk is refused, a text message is
//! accepted.

use super::{Accepted, StubRequest, StubResponse, System};
use domain::Timestamp;
use partners::notifiers::{SMS_BYTES, euc_kr_bytes, solapi_authorization};
use serde_json::{Value, json};
use std::collections::HashMap;

/// How far the date of a request may be from now, in seconds.
const MAX_SKEW: i64 = 15 * 60;

/// The longest text of an LMS, in bytes of EUC-KR.
const LMS_BYTES: usize = 2_000;

/// The phone has no KakaoTalk.
const NOT_ON_KAKAO_TALK: &str = "3104";

#[derive(Debug)]
pub(super) struct Solapi {
    api_key: String,
    api_secret: String,
    taken: Accepted,
}

fn refusal(status: u16, code: &str, message: &str) -> StubResponse {
    (status, json!({ "errorCode": code, "errorMessage": message }))
}

impl Solapi {
    pub(super) fn new() -> Self {
        let api_key = format!("NCS{:013X}", rand::random::<u64>() >> 12);
        Self {
            api_key,
            api_secret: format!("{:032x}", rand::random::<u128>()),
            taken: Accepted::default(),
        }
    }

    /// The response that refuses a request without a valid signature. `None`: the request is valid.
    fn refused(&self, request: &StubRequest<'_>) -> Option<StubResponse> {
        let header = request.header("authorization");
        let fields = header.strip_prefix("HMAC-SHA256 ").unwrap_or_default();
        let fields: HashMap<&str, &str> =
            fields.split(", ").filter_map(|field| field.split_once('=')).collect();
        let field = |name| fields.get(name).copied().unwrap_or_default();
        if field("apiKey") != self.api_key {
            return Some(refusal(403, "InvalidAPIKey", "유효하지 않은 API Key 입니다."));
        }
        let is_recent = field("date")
            .parse::<Timestamp>()
            .is_ok_and(|date| (request.now.seconds() - date.seconds()).abs() <= MAX_SKEW);
        if !is_recent {
            return Some(refusal(403, "RequestTimeTooSkewed", "요청 시각이 서버 시각과 다릅니다."));
        }
        let expected =
            solapi_authorization(&self.api_key, &self.api_secret, field("date"), field("salt"));
        if expected.as_deref() == Ok(header) && (12..=64).contains(&field("salt").len()) {
            None
        } else {
            Some(refusal(403, "SignatureDoesNotMatch", "생성한 Signature와 일치하지 않습니다."))
        }
    }

    /// Accepts messages. `on_kakao_talk` says whether the phones have KakaoTalk.
    fn take(&self, request: &StubRequest<'_>, on_kakao_talk: bool) -> StubResponse {
        if (request.method, request.path) != ("POST", "/messages/v4/send-many/detail") {
            return refusal(404, "ResourceNotFound", "존재하지 않는 리소스입니다.");
        }
        if let Some(refused) = self.refused(request) {
            return refused;
        }
        let body: Value = serde_json::from_str(request.body).unwrap_or_default();
        let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        if !(1..=10_000).contains(&messages.len()) {
            return refusal(
                400,
                "ValidationError",
                "messages는 1건 이상 10,000건 이하여야 합니다.",
            );
        }
        let failed = messages.iter().filter_map(|message| {
            let code =
                invalid_code(message).or((message["type"] == "ATA" && !on_kakao_talk).then_some(NOT_ON_KAKAO_TALK));
            let Some(code) = code else {
                self.taken.add(json!({ "id": message["customFields"]["id"], "type": message["type"] }));
                return None;
            };
            Some(json!({
                "to": message["to"], "from": message["from"], "type": message["type"], "country": "82",
                "messageId": "", "statusCode": code, "statusMessage": "발송 실패", "accountId": "local",
            }))
        });
        let failed: Vec<Value> = failed.collect();
        let taken = messages.len() - failed.len();
        (
            200,
            json!({
                "failedMessageList": failed,
                "groupInfo": {
                    "count": { "total": messages.len(), "registeredFailed": failed.len(), "registeredSuccess": taken },
                    "status": "SENDING", "groupId": format!("G4V{}", request.now.millis()),
                },
                "messageList": [],
            }),
        )
    }
}

/// The error code of an invalid message. `None`: the message is valid.
fn invalid_code(message: &Value) -> Option<&'static str> {
    let text = message["text"].as_str().unwrap_or_default();
    let is_number = |name: &str| {
        message[name].as_str().is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let kakao =
        |name: &str| message["kakaoOptions"][name].as_str().is_some_and(|value| !value.is_empty());
    let fits = match message["type"].as_str() {
        Some("ATA") => kakao("pfId") && kakao("templateId"),
        Some("SMS") => euc_kr_bytes(text) <= SMS_BYTES,
        Some("LMS") => euc_kr_bytes(text) <= LMS_BYTES,
        _ => false,
    };
    if !is_number("to") || !is_number("from") {
        Some("1062")
    } else if text.is_empty() || !fits {
        Some("1030")
    } else {
        None
    }
}

impl System for Solapi {
    fn respond(&self, request: &StubRequest<'_>) -> StubResponse {
        self.take(request, true)
    }

    fn decline(&self, request: &StubRequest<'_>) -> StubResponse {
        self.take(request, false)
    }

    fn error(&self) -> StubResponse {
        refusal(500, "InternalError", "알 수 없는 오류가 발생하였습니다.")
    }

    fn books(&self) -> Value {
        json!({ "messages": self.taken.all() })
    }

    fn credentials(&self) -> Value {
        json!({ "apiKey": self.api_key, "apiSecret": self.api_secret })
    }
}
