//! EventBridge: the event buses and their rules.
//!
//! An event that matches a rule is sent to the rule's queues, and is stored there when the call
//! returns. Requests that EventBridge rejects are rejected here:
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>.

use super::{
    AwsError, AwsResult,
    queues::{Queues, is_xml},
};
use crate::{
    clock::Clock,
    lineage::Lineage,
    template::{ACCOUNT, REGION, RuleSpec, name_in_arn},
};
use quamina::Quamina;
use serde_json::{Map, Value, json};

/// The maximum number of entries in one call.
const MAX_ENTRIES: usize = 10;

/// The maximum total size of the entries in one call, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The rules of all buses.
pub(crate) struct Bus {
    clock: Clock,
    buses: Vec<String>,
    rules: Vec<RuleSpec>,
    patterns: Quamina<usize>,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Bus {
    pub(crate) fn new(
        buses: &[String],
        rules: &[RuleSpec],
        clock: Clock,
    ) -> Result<Self, AwsError> {
        let mut patterns = Quamina::new();
        for (index, rule) in rules.iter().enumerate() {
            let invalid = |error| {
                AwsError::new("InvalidEventPatternException", format!("{}: {error}", rule.pattern))
            };
            patterns.add_pattern(index, &rule.pattern).map_err(invalid)?;
        }
        Ok(Self { clock, buses: buses.to_vec(), rules: rules.to_vec(), patterns })
    }

    pub(crate) fn respond(&self, operation: &str, request: &Value, queues: &Queues) -> AwsResult {
        if operation != "PutEvents" {
            return Err(AwsError::unknown(operation));
        }
        let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_too_large = entries.iter().map(bytes).sum::<usize>() > MAX_BYTES;
        if !(1..=MAX_ENTRIES).contains(&entries.len()) || is_too_large {
            let limits = format!(
                "A call must have 1 to {MAX_ENTRIES} entries with at most {MAX_BYTES} bytes in total."
            );
            return Err(AwsError::new("ValidationException", limits));
        }
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
        let bus = self.check(entry)?;
        let malformed =
            |error: serde_json::Error| AwsError::new("MalformedDetail", error.to_string());
        let detail: Map<String, Value> =
            serde_json::from_str(entry["Detail"].as_str().unwrap_or_default())
                .map_err(malformed)?;
        let id = ulid::Ulid::from_parts(0, rand::random()).to_string();
        let event = json!({
            "version": "0", "id": id, "detail-type": entry["DetailType"], "source": entry["Source"], "account": ACCOUNT,
            "time": self.clock.now(), "region": REGION, "resources": [], "detail": detail,
        });
        let matched = self.patterns.matches_for_event(event.to_string().as_bytes());
        let matched =
            matched.map_err(|error| AwsError::new("InternalException", error.to_string()))?;
        for rule in matched.into_iter().filter_map(|index| self.rules.get(index)) {
            if bus != rule.bus {
                continue;
            }
            for (queue, part) in &rule.targets {
                let part = part.as_ref().map_or(Some(&event), |path| {
                    event.pointer(&path.trim_start_matches('$').replace('.', "/"))
                });
                // Characters that XML 1.0 does not allow stay escaped, as they were in the detail.
                let body = part.unwrap_or(&Value::Null).to_string();
                queues.send_from(&Lineage::default(), queue, &edge::sendable(&body), None)?;
            }
        }
        Ok(id)
    }

    /// Validates an entry as EventBridge does and returns the name of its bus.
    fn check<'a>(&self, entry: &'a Value) -> Result<&'a str, AwsError> {
        let invalid = |message: String| AwsError::new("InvalidArgument", message);
        for field in ["Source", "DetailType", "Detail"] {
            let text = entry[field].as_str().unwrap_or_default();
            if text.is_empty() {
                return Err(invalid(format!(
                    "Parameter {field} is not valid. Reason: {field} is a required argument."
                )));
            }
            if !text.chars().all(is_xml) {
                return Err(invalid(format!(
                    "Parameter {field} has characters that XML 1.0 does not allow."
                )));
            }
        }
        // The bus is given by name or by ARN.
        let bus = name_in_arn(entry["EventBusName"].as_str().unwrap_or("default"));
        if self.buses.iter().any(|known| known == bus) {
            Ok(bus)
        } else {
            Err(invalid(format!("Event bus {bus} does not exist.")))
        }
    }
}

/// The size of an entry in bytes, as EventBridge calculates it.
fn bytes(entry: &Value) -> usize {
    let text = |field: &str| entry[field].as_str().map_or(0, str::len);
    let time = if entry["Time"].is_null() { 0 } else { 14 };
    text("Source") + text("DetailType") + text("Detail") + time
}
