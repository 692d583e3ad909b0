//! Texts as SQS and EventBridge accept them.

use crate::strict::is_xml;
use std::{borrow::Cow, fmt::Write};

/// JSON text with every character escaped that is not one of XML 1.0. SQS and EventBridge refuse
/// such characters; in JSON they can only be part of a string, where `\uFFFF` means the same.
pub fn sendable(json: &str) -> Cow<'_, str> {
    if json.chars().all(is_xml) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_xml(character) {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_sent_means_what_was_meant() {
        let odd = json!({ "address": "서울\u{ffff}\u{fffe} \u{1}\u{1f600}" });
        let sent = sendable(&odd.to_string()).into_owned();
        assert!(sent.chars().all(is_xml), "{sent}");
        assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), odd);
        assert!(matches!(sendable("{\"a\":\"가\"}"), Cow::Borrowed(_)));
    }
}
