//! Fault injection: network and AWS failures that a test requests for AWS calls.

use super::{AwsError, Reply};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// The kind of an injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is lost: the call has no effect, and the connection is closed.
    Before,
    /// The response is lost: the call takes effect, and the connection is closed.
    After,
    /// A transaction conflict on the item at this index (modulo the number of items).
    Conflict(usize),
    /// The call is throttled.
    Throttle,
    /// The service returns an internal error (500).
    Internal,
    /// Only the first entry of a batch fails.
    Entry,
}

/// A rule that selects calls and the fault they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The service: `dynamodb`, `sqs`, `events` or `kms`. `None`: any.
    pub service: Option<String>,
    /// The operation. `None`: any.
    pub operation: Option<String>,
    /// The fault.
    pub kind: Kind,
    /// The fault hits every n-th selected call. At least 1.
    pub every: u64,
    /// The maximum number of faults. `None`: no limit.
    pub count: Option<u64>,
}

impl Rule {
    /// Hits the `nth` AWS call from now, once. 1 is the next call.
    pub fn nth(nth: u64, kind: Kind) -> Self {
        Self { service: None, operation: None, kind, every: nth, count: Some(1) }
    }

    /// Hits every call of a service.
    pub fn all_of(service: &str, kind: Kind) -> Self {
        Self { service: Some(service.into()), operation: None, kind, every: 1, count: None }
    }
}

/// The fault rules of a platform.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Armed>>);

/// A rule with its counters: the selected calls and the injected faults.
#[derive(Debug)]
struct Armed {
    rule: Rule,
    calls: u64,
    hits: u64,
}

impl Faults {
    /// Replaces all rules. Their counters start at zero.
    pub fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        let armed = rules.into_iter().map(|rule| Armed { rule, calls: 0, hits: 0 });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = armed.collect();
    }

    /// Returns the fault for this call, if any. The first rule that hits wins. Every matching rule
    /// counts the call.
    pub(crate) fn strike(&self, service: &str, operation: &str) -> Option<Kind> {
        let mut struck = None;
        for armed in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            let Rule { service: of_service, operation: of_operation, kind, every, count } =
                &armed.rule;
            let matches = of_service.as_ref().is_none_or(|name| name == service)
                && of_operation.as_ref().is_none_or(|name| name == operation);
            if !matches {
                continue;
            }
            armed.calls += 1;
            if struck.is_none()
                && armed.calls.is_multiple_of(*every)
                && count.is_none_or(|count| armed.hits < count)
            {
                armed.hits += 1;
                struck = Some(*kind);
            }
        }
        struck
    }
}

/// The error that the service returns for a fault.
pub(crate) fn error(kind: Kind, operation: &str, body: &[u8]) -> AwsError {
    match kind {
        Kind::Conflict(item) if operation.starts_with("Transact") => {
            let request: Value = serde_json::from_slice(body).unwrap_or_default();
            let items = request["TransactItems"].as_array().map_or(0, Vec::len);
            let mut reasons = vec![json!({ "Code": "None" }); items];
            if let Some(reason) = reasons.get_mut(item % items.max(1)) {
                *reason = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
            }
            let message =
                "Transaction cancelled, please refer cancellation reasons for specific reasons";
            AwsError {
                more: json!({ "CancellationReasons": reasons }),
                ..AwsError::new("TransactionCanceledException", message)
            }
        }
        Kind::Conflict(_) => {
            AwsError::new("TransactionConflictException", "Transaction is ongoing for the item")
        }
        Kind::Throttle => AwsError::new("ThrottlingException", "Rate exceeded"),
        Kind::Internal | Kind::Before | Kind::After | Kind::Entry => AwsError {
            status: 500,
            ..AwsError::new("InternalServerError", "Internal server error")
        },
    }
}

/// Removes the first entry of a batch request. `None` if no entry is left.
pub(crate) fn without_first_entry(body: &[u8]) -> Option<Vec<u8>> {
    let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
    request["Entries"].as_array_mut().filter(|entries| entries.len() > 1)?.remove(0);
    Some(request.to_string().into_bytes())
}

/// Adds a failed first entry to the response for the other entries of a batch.
pub(crate) fn with_first_entry_failed((status, body): Reply, operation: &str) -> Reply {
    let mut response: Value = serde_json::from_slice(&body).unwrap_or_default();
    if operation == "PutEvents" {
        let failed = json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "injected" });
        match response["Entries"].as_array_mut() {
            Some(entries) => entries.insert(0, failed),
            None => response["Entries"] = json!([failed]),
        }
        response["FailedEntryCount"] =
            json!(response["FailedEntryCount"].as_u64().unwrap_or(0) + 1);
    } else {
        response["Failed"] = json!([{ "Id": "0", "Code": "InternalError", "Message": "injected", "SenderFault": false }]);
    }
    (status, response.to_string().into_bytes())
}
