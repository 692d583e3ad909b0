//! What customers are told: the texts of `texts.json`, one for each status that an order takes and its customer hears of.
//!
//! A text is at once an Alimtalk template, which Kakao must have approved word for word, and the text message that is sent
//! in its place.

use domain::order::Status;
use events::Order;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// What customers are told, by the status that their order takes.
#[derive(Debug, Clone)]
pub(crate) struct Texts(HashMap<Status, Text>);

/// What customers are told of a status.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Text {
    /// What the template is called here, and at NHN Cloud too: at most 20 characters.
    pub(crate) template: String,
    /// The text, with `#{variables}`.
    text: String,
}

impl Texts {
    /// The texts of `texts.json`.
    pub(crate) fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("texts.json")).map(Self)
    }

    /// What is told of the status that an order has taken; nothing of some.
    pub(crate) fn of(&self, order: &Order) -> Option<&Text> {
        self.0.get(&order.status)
    }
}

impl Text {
    /// The values of those variables that the text has.
    pub(crate) fn variables(&self, order: &Order) -> BTreeMap<String, String> {
        let shipment = order.shipment.as_ref();
        let all = [
            ("주문번호", order.order_id.to_string()),
            ("금액", with_commas(order.total_amount.get())),
            (
                "사유",
                order
                    .reason
                    .as_deref()
                    .map(without_links)
                    .filter(|reason| !reason.is_empty())
                    .unwrap_or_else(|| "-".into()),
            ),
            ("택배사", shipment.map(|shipment| without_links(&shipment.carrier)).unwrap_or_default()),
            ("운송장번호", shipment.map(|shipment| without_links(&shipment.tracking_number)).unwrap_or_default()),
        ];
        let is_used = |(name, _): &(&str, String)| self.text.contains(&format!("#{{{name}}}"));
        all.into_iter().filter(is_used).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The text with its variables filled in, in one pass: a value that looks like a variable stays as it is.
    pub(crate) fn filled(&self, variables: &BTreeMap<String, String>) -> String {
        let mut parts = self.text.split("#{");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            filled += variables.get(name).map_or("", String::as_str);
            filled += rest;
        }
        filled
    }
}

/// The top-level domains in Hangul (IANA's root zone database).
const KOREAN_DOMAINS: [&str; 4] = ["한국", "닷컴", "닷넷", "삼성"];

/// What somebody wrote, as it goes into a message: without control characters, and without whatever a phone makes a link of.
fn without_links(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty() && !is_link(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a phone may make a link of a word: it names a scheme, or has a host in it (`shop.kr/x`, `10.0.0.1`).
fn is_link(word: &str) -> bool {
    let is_name = |part: &str| {
        let letters: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let is_number = letters.bytes().all(|byte| byte.is_ascii_digit());
        letters.len() >= 2 && !is_number || KOREAN_DOMAINS.iter().any(|domain| part.starts_with(domain))
    };
    let parts: Vec<&str> = word.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).collect();
    let has_host = parts.windows(2).any(|pair| !pair[0].is_empty() && is_name(pair[1]));
    let is_address = parts.len() >= 4 && parts.iter().take(3).all(|part| part.chars().all(|c| c.is_ascii_digit()));
    word.contains("://") || has_host || is_address
}

/// A whole number of won as people read it: `1,234,567`.
fn with_commas(won: i64) -> String {
    let digits = won.to_string();
    let is_after_comma = |place: usize| place > 0 && (digits.len() - place).is_multiple_of(3);
    digits.chars().enumerate().fold(String::new(), |mut text, (place, digit)| {
        text.extend(is_after_comma(place).then_some(','));
        text.push(digit);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use partners::notifiers::{SMS_BYTES, euc_kr_bytes};
    use serde_json::json;

    fn order(more: serde_json::Value) -> Order {
        let mut order = json!({
            "orderId": "ord_4FR2QSET2NFZMXC275FVCH5RH2", "version": 1, "status": "PAID", "customerId": "c1", "items": [],
            "originalAmount": 15_000, "discountAmount": 0, "totalAmount": 15_000,
            "payment": { "method": "POINTS", "amount": 15_000, "status": "PAID" },
            "timeline": [], "placedAt": "2026-01-05T03:04:05.000Z", "updatedAt": "2026-01-05T03:04:05.000Z",
        });
        for (name, value) in more.as_object().unwrap() {
            order[name] = value.clone();
        }
        serde_json::from_value(order).unwrap()
    }

    #[test]
    fn every_status_but_the_waiting_for_payment_has_a_text_that_is_filled_and_fits_an_sms() {
        let texts = Texts::read().unwrap();
        for status in [
            "PAID",
            "ACCEPTED",
            "COOKING",
            "COOKED",
            "PICKED_UP",
            "SHIPPED",
            "COMPLETED",
            "CANCELLED",
            "REJECTED",
            "EXPIRED",
        ] {
            let shipment = json!({ "carrier": "CJ대한통운", "trackingNumber": "123456789012" });
            let order = order(json!({ "status": status, "reason": "재료 소진", "shipment": shipment }));
            let text = texts.of(&order).unwrap();
            let filled = text.filled(&text.variables(&order));
            assert!(!filled.contains("#{") && filled.contains(order.order_id.as_str()), "{filled}");
            // Both carry more: a reason, or a carrier and its number.
            let may_be_long = ["REJECTED", "SHIPPED"].contains(&status);
            assert!(may_be_long || euc_kr_bytes(&filled) <= SMS_BYTES, "{filled}: {}", euc_kr_bytes(&filled));
            assert!(text.template.len() <= 20, "{}", text.template);
        }
        assert!(texts.of(&order(json!({ "status": "STOCK_ALLOCATED" }))).is_none(), "it is paid in the next moment");
    }

    #[test]
    fn a_reason_loses_links_and_control_characters() {
        for (reason, expected) in [
            ("재료가 떨어졌습니다. 죄송합니다", "재료가 떨어졌습니다. 죄송합니다"),
            ("환불은 https://evil.example/x 에서", "환불은 에서"),
            ("bit.ly/abc", ""),
            ("여기로 www.evil.co.kr 오세요", "여기로 오세요"),
            ("Evil.COM", ""),
            ("10.0.0.1/x 접속", "접속"),
            ("쇼핑.한국 방문", "방문"),
            ("쇼핑.닷컴/할인 방문", "방문"),
            ("품절.재고 없음 1.5kg", "품절.재고 없음"),
            ("sold\u{7}out\nnow", "sold out now"),
        ] {
            assert_eq!(without_links(reason), expected, "{reason:?}");
        }
    }

    #[test]
    fn a_value_is_told_as_it_is() {
        let text = Text { template: "t".into(), text: "#{금액}원 (#{사유})".into() };
        let order = order(json!({ "status": "REJECTED", "reason": "#{금액}", "totalAmount": 1_234_567 }));
        assert_eq!(text.filled(&text.variables(&order)), "1,234,567원 (#{금액})");
        assert_eq!([0, 12, 999, 1_000, 100_000].map(with_commas), ["0", "12", "999", "1,000", "100,000"]);
    }
}
