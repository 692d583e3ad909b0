//! The constraints of the template's parameters, enforced as CloudFormation does.

use super::{TemplateError, text, unfit};
use regex_lite::Regex;
use serde_json::Value;
use std::borrow::Cow;

/// Refuses a value that CloudFormation would refuse. Only here may other systems be on this
/// machine, without TLS: `http` on loopback stands for `https`.
pub(super) fn check(name: &str, declared: &Value, value: &str) -> Result<(), TemplateError> {
    let refuse = |why: String| Err(unfit(format!("the parameter {name} {why}")));
    let with_tls = with_tls(value);
    if let Some(pattern) = declared["AllowedPattern"].as_str() {
        let whole = Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|error| unfit(format!("{name}: {error}")))?;
        if !whole.is_match(&with_tls) {
            return refuse(format!("must be like {pattern}"));
        }
    }
    let allowed: Vec<String> =
        declared["AllowedValues"].as_array().into_iter().flatten().map(text).collect();
    if !allowed.is_empty() && !allowed.iter().any(|one| one == value) {
        return refuse(format!("must be one of {}", allowed.join(", ")));
    }
    let least = declared["MinLength"].as_u64().unwrap_or_default();
    if u64::try_from(value.chars().count()).is_ok_and(|length| length < least) {
        return refuse(format!("must have at least {least} characters"));
    }
    if declared["Type"] == "Number" {
        let Ok(number) = value.parse::<i64>() else {
            return refuse("must be a whole number".into());
        };
        let (min, max) = (declared["MinValue"].as_i64(), declared["MaxValue"].as_i64());
        if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
            let end =
                |end: Option<i64>| end.map_or_else(|| "any".to_owned(), |end| end.to_string());
            return refuse(format!("must be {} to {}", end(min), end(max)));
        }
    }
    Ok(())
}

fn with_tls(value: &str) -> Cow<'_, str> {
    let is_loopback = |rest: &&str| {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| {
            rest.strip_prefix(host)
                .is_some_and(|after| after.is_empty() || after.starts_with([':', '/']))
        })
    };
    match value.strip_prefix("http://").filter(is_loopback) {
        Some(rest) => format!("https://{rest}").into(),
        None => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_is_held_to_what_the_template_says() {
        let url = json!({ "Type": "String", "AllowedPattern": "(https://.+)?" });
        for good in [
            "",
            "https://tms.example/hook",
            "http://127.0.0.1:4000",
            "http://localhost/x",
            "http://[::1]:1",
        ] {
            assert!(check("TmsUrl", &url, good).is_ok(), "{good}");
        }
        for bad in [
            "http://tms.example",
            "ftp://127.0.0.1",
            "http://127.0.0.1.nip.io",
            "http://localhost.example",
            "x",
        ] {
            assert!(check("TmsUrl", &url, bad).is_err(), "{bad}");
        }
        let number = json!({ "Type": "Number", "MinValue": 1, "MaxValue": 50 });
        let values = json!({ "Type": "String", "AllowedValues": ["CARD", "FREE"] });
        for (declared, value, is_good) in [
            (&number, "3", true),
            (&number, "0", false),
            (&number, "51", false),
            (&number, "x", false),
            (&values, "FREE", true),
            (&values, "free", false),
        ] {
            assert_eq!(check("P", declared, value).is_ok(), is_good, "{value}");
        }
    }
}
