//! Faults on purpose: what the network and AWS do to calls sooner or later, when a test wants it.

use super::{AwsError, Reply};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It never arrives.
    Before,
    /// It takes effect, and its answer never arrives.
    After,
    /// Another transaction holds its n-th item.
    Conflict(usize),
    /// It comes too fast.
    Throttle,
    /// The service fails.
    Internal,
    /// The first entry of a batch fails alone.
    Entry,
}

/// Which calls a fault befalls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The service: `dynamodb`, `sqs` or `events`; none for any.
    pub service: Option<String>,
    /// The operation; none for any.
    pub operation: Option<String>,
    /// What befalls them.
    pub kind: Kind,
    /// Every how many calls.
    pub every: u64,
    /// How often at the most.
    pub count: Option<u64>,
}

impl Rule {
    /// Befalls the `nth` call from now (1: the next), once.
    pub fn nth(nth: u64, kind: Kind) -> Self {
        Self { service: None, operation: None, kind, every: nth, count: Some(1) }
    }

    /// Befalls every call of a service.
    pub fn all_of(service: &str, kind: Kind) -> Self {
        Self { service: Some(service.into()), operation: None, kind, every: 1, count: None }
    }
}

/// The faults of a platform.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    rule: Rule,
    calls: u64,
    hits: u64,
}

impl Faults {
    /// From now on these rules, and no others, apply.
    pub fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        let armed = rules.into_iter().map(|rule| Armed { rule, calls: 0, hits: 0 });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = armed.collect();
    }

    /// What befalls this call.
    pub(crate) fn strike(&self, service: &str, operation: &str) -> Option<Kind> {
        let mut struck = None;
        for armed in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            let Rule { service: of_service, operation: of_operation, kind, every, count } = &armed.rule;
            let fits = of_service.as_ref().is_none_or(|name| name == service)
                && of_operation.as_ref().is_none_or(|name| name == operation);
            if !fits {
                continue;
            }
            armed.calls += 1;
            if struck.is_none() && armed.calls.is_multiple_of(*every) && count.is_none_or(|count| armed.hits < count) {
                armed.hits += 1;
                struck = Some(*kind);
            }
        }
        struck
    }
}

/// A fault as the service words it.
pub(crate) fn error(kind: Kind, operation: &str, body: &[u8]) -> AwsError {
    match kind {
        Kind::Conflict(item) if operation.starts_with("Transact") => {
            let request: Value = serde_json::from_slice(body).unwrap_or_default();
            let items = request["TransactItems"].as_array().map_or(0, Vec::len);
            let mut reasons = vec![json!({ "Code": "None" }); items];
            if let Some(reason) = reasons.get_mut(item % items.max(1)) {
                *reason = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
            }
            let message = "Transaction cancelled, please refer cancellation reasons for specific reasons";
            AwsError {
                more: json!({ "CancellationReasons": reasons }),
                ..AwsError::new("TransactionCanceledException", message)
            }
        }
        Kind::Conflict(_) => AwsError::new("TransactionConflictException", "Transaction is ongoing for the item"),
        Kind::Throttle => AwsError::new("ThrottlingException", "Rate exceeded"),
        Kind::Internal | Kind::Before | Kind::After | Kind::Entry => {
            AwsError { status: 500, ..AwsError::new("InternalServerError", "Internal server error") }
        }
    }
}

/// A batch without its first entry; none, if it has no other.
pub(crate) fn without_first_entry(body: &[u8]) -> Option<Vec<u8>> {
    let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
    request["Entries"].as_array_mut().filter(|entries| entries.len() > 1)?.remove(0);
    Some(request.to_string().into_bytes())
}

/// The answer to a batch whose first entry failed and whose other entries were served.
pub(crate) fn with_first_entry_failed((status, body): Reply, operation: &str) -> Reply {
    let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if operation == "PutEvents" {
        let failed = json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "injected" });
        match answer["Entries"].as_array_mut() {
            Some(entries) => entries.insert(0, failed),
            None => answer["Entries"] = json!([failed]),
        }
        answer["FailedEntryCount"] = json!(answer["FailedEntryCount"].as_u64().unwrap_or(0) + 1);
    } else {
        answer["Failed"] = json!([{ "Id": "0", "Code": "InternalError", "Message": "injected", "SenderFault": false }]);
    }
    (status, answer.to_string().into_bytes())
}
