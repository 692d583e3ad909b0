//! The violations that the audit finds.

use local::World;
use serde_json::{Value, json};

/// Runs the audit and returns its violations, each as law, key, expected and actual.
pub(crate) async fn violations(world: &World) -> Vec<[String; 4]> {
    let audit = world.audit().await;
    let violations = audit["violations"].as_array().unwrap();
    assert_eq!(audit["clean"], json!(violations.is_empty()));
    let part = |violation: &Value, name: &str| violation[name].as_str().unwrap().to_owned();
    violations
        .iter()
        .map(|one| ["law", "key", "expected", "actual"].map(|name| part(one, name)))
        .collect()
}

pub(crate) fn violation(law: &str, key: &str, expected: &str, actual: &str) -> [String; 4] {
    [law, key, expected, actual].map(str::to_owned)
}
