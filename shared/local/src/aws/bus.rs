//! The event buses: an event that fits a rule goes to the rule's queues, and is kept there when the call returns.

use super::{Answer, AwsError, queues::Queues};
use crate::{
    clock::Clock,
    template::{ACCOUNT, REGION, RuleSpec},
};
use quamina::Quamina;
use serde_json::{Value, json};

/// The rules of all buses.
pub(crate) struct Bus {
    clock: Clock,
    rules: Vec<RuleSpec>,
    patterns: Quamina<usize>,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Bus {
    pub(crate) fn new(rules: &[RuleSpec], clock: Clock) -> Result<Self, AwsError> {
        let mut patterns = Quamina::new();
        for (place, rule) in rules.iter().enumerate() {
            let invalid = |error| AwsError::new("InvalidEventPatternException", format!("{}: {error}", rule.pattern));
            patterns.add_pattern(place, &rule.pattern).map_err(invalid)?;
        }
        Ok(Self { clock, rules: rules.to_vec(), patterns })
    }

    pub(crate) fn answer(&self, operation: &str, request: &Value, queues: &Queues) -> Answer {
        if operation != "PutEvents" {
            return Err(AwsError::unknown(operation));
        }
        let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let results: Vec<Value> = entries
            .iter()
            .map(|entry| match self.put(entry, queues) {
                Ok(id) => json!({ "EventId": id }),
                Err(error) => json!({ "ErrorCode": error.code, "ErrorMessage": error.message }),
            })
            .collect();
        let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }

    fn put(&self, entry: &Value, queues: &Queues) -> Result<String, AwsError> {
        let malformed = |error: serde_json::Error| AwsError::new("MalformedDetail", error.to_string());
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap_or_default()).map_err(malformed)?;
        let id = ulid::Ulid::from_parts(0, rand::random()).to_string();
        let event = json!({
            "version": "0", "id": id, "detail-type": entry["DetailType"], "source": entry["Source"], "account": ACCOUNT,
            "time": self.clock.now(), "region": REGION, "resources": [], "detail": detail,
        });
        let matched = self.patterns.matches_for_event(event.to_string().as_bytes());
        let matched = matched.map_err(|error| AwsError::new("InternalException", error.to_string()))?;
        for rule in matched.into_iter().filter_map(|place| self.rules.get(place)) {
            if entry["EventBusName"].as_str() != Some(&rule.bus) {
                continue;
            }
            for (queue, part) in &rule.targets {
                let part = part
                    .as_ref()
                    .map_or(Some(&event), |path| event.pointer(&path.trim_start_matches('$').replace('.', "/")));
                queues.send(queue, &part.unwrap_or(&Value::Null).to_string(), None)?;
            }
        }
        Ok(id)
    }
}
