//! A stub of the payment gateway: Toss Payments' core API
//! (<https://docs.tosspayments.com/reference>, version 2022-11-16), as far as a merchant's server
//! uses it: confirm, query, cancel.
//!
//! There is no payment window. Every payment key is therefore authorised for any order and amount,
//! and a declined card may be tried again.
//!
//! A key is charged once. An order may be charged under several keys, because preventing that is
//! the shop's task and not the gateway's. Charges are recorded.

use super::{StubRequest, StubResponse, System};
use crate::aws::data::Journal;
use aws_smithy_types::base64;
use domain::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The smallest amount that can be charged, in won.
const MIN_AMOUNT: i64 = 100;

/// The longest idempotency key, in characters.
const MAX_KEY: usize = 300;

#[derive(Debug)]
pub(super) struct PaymentGateway {
    authorization: String,
    journal: Journal,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// Every payment, in the order of the latest confirmation of its key.
    payments: Vec<Value>,
    /// The first response for each path and idempotency key.
    first_responses: HashMap<(String, String), StubResponse>,
}

fn refusal(status: u16, code: &str, message: &str) -> StubResponse {
    (status, json!({ "code": code, "message": message }))
}

/// Formats a time as Korean time, as the gateway does.
fn kst(time: Timestamp) -> String {
    let local = time.plus(Duration::from_hours(9)).to_string();
    format!("{}+09:00", local.get(..19).unwrap_or_default())
}

impl PaymentGateway {
    pub(super) fn new(secret_key: &str, journal: Journal) -> Result<Self, crate::Failure> {
        let authorization = format!("Basic {}", base64::encode(format!("{secret_key}:")));
        let books = Books { payments: journal.payments()?, ..Books::default() };
        Ok(Self { authorization, journal, books: Mutex::new(books) })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first response to the idempotency key of a POST, or else executes the POST.
    fn once(
        &self,
        request: &StubRequest<'_>,
        act: impl FnOnce(&mut Books, &Value) -> StubResponse,
    ) -> StubResponse {
        let key = request.header("idempotency-key");
        if key.chars().count() > MAX_KEY {
            return refusal(400, "INVALID_IDEMPOTENCY_KEY", "멱등키는 300자 이하여야 합니다.");
        }
        let Ok(body) = serde_json::from_str::<Value>(request.body) else {
            return refusal(400, "INVALID_REQUEST", "잘못된 요청입니다.");
        };
        let mut books = self.books();
        let place = (request.path.to_owned(), key.to_owned());
        if let Some(response) = books.first_responses.get(&place) {
            return response.clone();
        }
        let response = act(&mut books, &body);
        if !key.is_empty() {
            books.first_responses.insert(place, response.clone());
        }
        response
    }

    fn store(&self, payment: &Value) {
        let key = payment["paymentKey"].as_str().unwrap_or_default();
        if let Err(error) = self.journal.save_payment(key, payment) {
            tracing::error!(%error, "a payment could not be stored");
        }
    }

    fn confirm(
        &self,
        books: &mut Books,
        body: &Value,
        now: Timestamp,
        is_declined: bool,
    ) -> StubResponse {
        let (key, order) = (body["paymentKey"].as_str(), body["orderId"].as_str());
        let (Some(key), Some(order), Some(amount)) = (key, order, body["amount"].as_i64()) else {
            return refusal(400, "INVALID_REQUEST", "잘못된 요청입니다.");
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_=".contains(c);
        if !(6..=64).contains(&order.len()) || !order.chars().all(fits) {
            return refusal(
                400,
                "INVALID_ORDER_ID",
                "orderId는 영문 대소문자, 숫자, 특수문자(-, _) 만 허용합니다.",
            );
        }
        if amount < MIN_AMOUNT {
            return refusal(
                400,
                "BELOW_MINIMUM_AMOUNT",
                "신용카드는 결제금액이 100원 이상이어야 결제가 가능합니다.",
            );
        }
        let is_processed =
            |payment: &Value| payment["paymentKey"] == key && payment["status"] != "ABORTED";
        if books.payments.iter().any(is_processed) {
            return refusal(400, "ALREADY_PROCESSED_PAYMENT", "이미 처리된 결제 입니다.");
        }
        let payment = payment(key, order, amount, now, is_declined);
        books.payments.retain(|known| known["paymentKey"] != key);
        books.payments.push(payment.clone());
        self.store(&payment);
        if is_declined { (403, payment["failure"].clone()) } else { (200, payment) }
    }

    fn cancel(&self, books: &mut Books, key: &str, body: &Value, now: Timestamp) -> StubResponse {
        let reason = body["cancelReason"].as_str().unwrap_or_default();
        if !(1..=200).contains(&reason.chars().count()) {
            return refusal(400, "INVALID_REQUEST", "잘못된 요청입니다.");
        }
        let Some(payment) = books.payments.iter_mut().find(|payment| payment["paymentKey"] == key)
        else {
            return not_found();
        };
        if payment["status"] == "CANCELED" {
            return refusal(400, "ALREADY_CANCELED_PAYMENT", "이미 취소된 결제 입니다.");
        }
        let balance = payment["balanceAmount"].as_i64().unwrap_or_default();
        if payment["status"] == "ABORTED" || balance == 0 {
            return refusal(403, "NOT_CANCELABLE_PAYMENT", "취소 할 수 없는 결제 입니다.");
        }
        let amount = body["cancelAmount"].as_i64().unwrap_or(balance);
        if !(1..=balance).contains(&amount) {
            return refusal(403, "NOT_CANCELABLE_AMOUNT", "취소 할 수 없는 금액 입니다.");
        }
        let transaction = format!("{:032X}", rand::random::<u128>());
        let cancel = json!({
            "transactionKey": transaction, "cancelReason": reason, "cancelAmount": amount, "taxFreeAmount": 0,
            "taxExemptionAmount": 0, "refundableAmount": balance - amount, "easyPayDiscountAmount": 0,
            "canceledAt": kst(now), "receiptKey": null, "cancelStatus": "DONE", "cancelRequestId": null,
        });
        match payment["cancels"].as_array_mut() {
            Some(cancels) => cancels.push(cancel),
            None => payment["cancels"] = json!([cancel]),
        }
        let is_whole = payment["totalAmount"] == amount;
        payment["status"] = if is_whole { "CANCELED" } else { "PARTIAL_CANCELED" }.into();
        payment["balanceAmount"] = (balance - amount).into();
        payment["lastTransactionKey"] = transaction.into();
        self.store(payment);
        (200, payment.clone())
    }

    fn find(&self, fits: impl Fn(&Value) -> bool) -> StubResponse {
        let books = self.books();
        // The last of an order's payments.
        let found = books.payments.iter().rfind(|payment| fits(payment));
        found.map_or_else(not_found, |payment| (200, payment.clone()))
    }
}

fn not_found() -> StubResponse {
    refusal(404, "NOT_FOUND_PAYMENT", "존재하지 않는 결제 정보 입니다.")
}

fn payment(key: &str, order: &str, amount: i64, now: Timestamp, is_declined: bool) -> Value {
    let failure = json!({ "code": "REJECT_CARD_PAYMENT", "message": "한도초과 혹은 잔액부족으로 결제에 실패했습니다." });
    let vat = (amount + 5) / 11;
    json!({
        "mId": "tosspayments", "version": "2022-11-16", "paymentKey": key, "orderId": order, "orderName": "jumun",
        "type": "NORMAL", "method": "카드", "currency": "KRW", "country": "KR",
        "status": if is_declined { "ABORTED" } else { "DONE" },
        "lastTransactionKey": format!("{:032X}", rand::random::<u128>()),
        "requestedAt": kst(now), "approvedAt": if is_declined { Value::Null } else { kst(now).into() },
        "totalAmount": amount, "balanceAmount": if is_declined { 0 } else { amount },
        "suppliedAmount": amount - vat, "vat": vat, "taxFreeAmount": 0, "taxExemptionAmount": 0,
        "useEscrow": false, "cultureExpense": false, "isPartialCancelable": true,
        "card": {
            "issuerCode": "71", "acquirerCode": "71", "number": "12345678****000*", "installmentPlanMonths": 0,
            "isInterestFree": false, "interestPayer": null, "approveNo": "00000000", "useCardPoint": false,
            "cardType": "신용", "ownerType": "개인", "acquireStatus": "READY", "amount": amount,
        },
        "virtualAccount": null, "transfer": null, "mobilePhone": null, "giftCertificate": null, "easyPay": null,
        "cashReceipt": null, "cashReceipts": null, "discount": null, "cancels": null, "secret": null, "metadata": null,
        "failure": if is_declined { failure } else { Value::Null },
    })
}

impl System for PaymentGateway {
    fn respond(&self, request: &StubRequest<'_>) -> StubResponse {
        if request.header("authorization") != self.authorization {
            return refusal(
                401,
                "UNAUTHORIZED_KEY",
                "인증되지 않은 시크릿 키 혹은 클라이언트 키 입니다.",
            );
        }
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        match (request.method, parts.as_slice()) {
            ("POST", ["v1", "payments", "confirm"]) => {
                self.once(request, |books, body| self.confirm(books, body, request.now, false))
            }
            ("POST", ["v1", "payments", key, "cancel"]) => {
                self.once(request, |books, body| self.cancel(books, key, body, request.now))
            }
            ("GET", ["v1", "payments", "orders", order]) => {
                self.find(|payment| payment["orderId"] == *order)
            }
            ("GET", ["v1", "payments", key]) => self.find(|payment| payment["paymentKey"] == *key),
            _ => refusal(404, "NOT_FOUND", "존재하지 않는 정보 입니다."),
        }
    }

    /// Declines cards. Queries and refunds get their usual responses.
    fn decline(&self, request: &StubRequest<'_>) -> StubResponse {
        let is_authorized = request.header("authorization") == self.authorization;
        if is_authorized && request.method == "POST" && request.path == "/v1/payments/confirm" {
            self.once(request, |books, body| self.confirm(books, body, request.now, true))
        } else {
            self.respond(request)
        }
    }

    fn error(&self) -> StubResponse {
        refusal(
            500,
            "FAILED_INTERNAL_SYSTEM_PROCESSING",
            "내부 시스템 처리 작업이 실패했습니다. 잠시 후 다시 시도해주세요.",
        )
    }

    fn books(&self) -> Value {
        json!({ "payments": Self::books(self).payments })
    }
}
