//! The texts of the notifications, from `texts.json`: one for each order status that customers are
//! notified of.
//!
//! A text is both an Alimtalk template, which Kakao must approve word for word, and the text
//! message that is sent instead of it.

use domain::order::Status;
use events::Order;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The texts by order status.
#[derive(Debug, Clone)]
pub(crate) struct Texts(HashMap<Status, Text>);

/// The text for one status.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Text {
    /// The name of the template, here and at NHN Cloud: at most 20 characters.
    pub(crate) template: String,
    /// The text, with `#{variables}`.
    text: String,
}

impl Texts {
    /// Reads the texts from `texts.json`.
    pub(crate) fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("texts.json")).map(Self)
    }

    /// The text for the current status of an order. `None` if customers are not notified of it.
    pub(crate) fn of(&self, order: &Order) -> Option<&Text> {
        self.0.get(&order.status)
    }
}

impl Text {
    /// The values of the variables that occur in the text.
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
            (
                "택배사",
                shipment.map(|shipment| without_links(&shipment.carrier)).unwrap_or_default(),
            ),
            (
                "운송장번호",
                shipment
                    .map(|shipment| without_links(&shipment.tracking_number))
                    .unwrap_or_default(),
            ),
        ];
        let is_used = |(name, _): &(&str, String)| self.text.contains(&format!("#{{{name}}}"));
        all.into_iter().filter(is_used).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Fills in the variables, in one pass: a value that looks like a variable is not replaced.
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

/// The top-level domains in Hangul (source: IANA's root zone database).
const KOREAN_DOMAINS: [&str; 4] = ["한국", "닷컴", "닷넷", "삼성"];

/// User input as part of a message: without control characters, and without words that a phone may
/// turn into a link.
fn without_links(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty() && !is_link(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a phone may turn a word into a link: it has a scheme, or contains a host (`shop.kr/x`,
/// `10.0.0.1`).
fn is_link(word: &str) -> bool {
    let is_name = |part: &str| {
        let letters: String =
            part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let is_number = letters.bytes().all(|byte| byte.is_ascii_digit());
        letters.len() >= 2 && !is_number
            || KOREAN_DOMAINS.iter().any(|domain| part.starts_with(domain))
    };
    let parts: Vec<&str> = word.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).collect();
    let has_host = parts.windows(2).any(|pair| !pair[0].is_empty() && is_name(pair[1]));
    let is_address = parts.len() >= 4
        && parts.iter().take(3).all(|part| part.chars().all(|c| c.is_ascii_digit()));
    word.contains("://") || has_host || is_address
}

/// An amount in won with thousands separators: `1,234,567`.
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
    fn every_status_except_stock_allocated_has_a_complete_text_that_fits_an_sms() {
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
            let order =
                order(json!({ "status": status, "reason": "재료 소진", "shipment": shipment }));
            let text = texts.of(&order).unwrap();
            let filled = text.filled(&text.variables(&order));
            assert!(!filled.contains("#{") && filled.contains(order.order_id.as_str()), "{filled}");
            // These texts also contain a reason, or a carrier and a tracking number.
            let may_be_long = ["REJECTED", "SHIPPED"].contains(&status);
            assert!(
                may_be_long || euc_kr_bytes(&filled) <= SMS_BYTES,
                "{filled}: {}",
                euc_kr_bytes(&filled)
            );
            assert!(text.template.len() <= 20, "{}", text.template);
        }
        assert!(
            texts.of(&order(json!({ "status": "STOCK_ALLOCATED" }))).is_none(),
            "customers are not notified before payment"
        );
    }

    #[test]
    fn links_and_control_characters_are_removed_from_a_reason() {
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
    fn values_are_inserted_verbatim_and_amounts_have_separators() {
        let text = Text { template: "t".into(), text: "#{금액}원 (#{사유})".into() };
        let order =
            order(json!({ "status": "REJECTED", "reason": "#{금액}", "totalAmount": 1_234_567 }));
        assert_eq!(text.filled(&text.variables(&order)), "1,234,567원 (#{금액})");
        assert_eq!(
            [0, 12, 999, 1_000, 100_000].map(with_commas),
            ["0", "12", "999", "1,000", "100,000"]
        );
    }
}
