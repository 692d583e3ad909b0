//! Faults in every call, of every kind.

use local::aws::faults::{Kind, Rule};

/// What can happen to a transaction: it does not arrive, its response is lost, it is throttled,
/// fails, or conflicts at its first or second row.
pub(crate) const KINDS: [Kind; 6] = [
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
