//! Faults in every call, of every kind.

use local::aws::faults::{Kind, Rule};

/// What can happen to any call: it does not arrive, its response is lost, it fails or conflicts.
pub(crate) const KINDS: [Kind; 4] = [Kind::Before, Kind::After, Kind::Internal, Kind::Conflict(0)];

/// The same, with throttling and a conflict at another row.
pub(crate) const ALL_KINDS: [Kind; 6] = [
    Kind::Before,
    Kind::After,
    Kind::Throttle,
    Kind::Internal,
    Kind::Conflict(0),
    Kind::Conflict(1),
];

/// Two sets of rules: a fault on the n-th call to DynamoDB alone, and one on it and the three after
/// it. A call has four attempts, so the function then gives up.
pub(crate) fn faults_at(nth: u64, kind: Kind) -> [Vec<Rule>; 2] {
    let one = Rule {
        service: Some("dynamodb".into()),
        operation: None,
        kind,
        every: nth,
        count: Some(1),
    };
    let all = (0..4).map(|again| Rule { every: nth + again, ..one.clone() }).collect();
    [vec![one], all]
}

/// The first try of a transaction does not arrive: while the function waits to try again, something
/// else comes first.
pub(crate) fn first_attempt_fails() -> Rule {
    let (service, operation) = (None, Some("TransactWriteItems".into()));
    Rule { service, operation, kind: Kind::Internal, every: 1, count: Some(1) }
}
