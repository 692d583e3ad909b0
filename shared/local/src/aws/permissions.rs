//! Permission checks: a call is denied here if the role of the deployed function does not allow it.

use super::{AwsError, Principal};
use crate::template::{ACCOUNT, FunctionSpec, REGION, Source, Statement};
use serde::{Deserialize, de::IgnoredAny};
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

/// The fields of a request that name the resources it accesses. Other fields are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccessedResources<'a> {
    #[serde(borrow, default)]
    table_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    index_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    queue_url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_bus_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    transact_items: Vec<HashMap<Cow<'a, str>, AccessedResources<'a>>>,
    #[serde(borrow, default)]
    #[expect(
        clippy::zero_sized_map_values,
        reason = "only the table names matter, and serde cannot read a JSON object into a set"
    )]
    request_items: HashMap<Cow<'a, str>, IgnoredAny>,
    #[serde(borrow, default)]
    entries: Vec<AccessedResources<'a>>,
}

/// Returns the error if the principal's role does not allow this call.
pub(crate) fn denied(
    principal: &Principal,
    service: &str,
    operation: &str,
    body: &[u8],
) -> Option<AwsError> {
    let statements = principal.statements.as_ref()?;
    let needed = match serde_json::from_slice::<AccessedResources>(body) {
        Ok(accessed) => needs(service, operation, &accessed),
        Err(error) => return Some(AwsError::new("SerializationException", error.to_string())),
    };
    let (action, resource) =
        needed.into_iter().find(|(action, resource)| !allows(statements, action, resource))?;
    let message =
        format!("the role of {} does not allow {action} on {resource}", principal.function);
    Some(AwsError::new("AccessDeniedException", message))
}

/// The permissions that a call needs: pairs of action and resource.
fn needs(
    service: &str,
    operation: &str,
    accessed: &AccessedResources,
) -> BTreeSet<(String, String)> {
    let name = |name: &Option<Cow<str>>| name.as_deref().unwrap_or_default().to_owned();
    let action = |operation: &str| format!("{service}:{operation}");
    match (service, operation) {
        ("dynamodb", "TransactGetItems" | "TransactWriteItems") => {
            let item = |(kind, item): (&Cow<str>, &AccessedResources)| {
                let kind = if kind == "ConditionCheck" {
                    "ConditionCheckItem".to_owned()
                } else {
                    format!("{kind}Item")
                };
                (action(&kind), table_arn(&name(&item.table_name)))
            };
            accessed.transact_items.iter().flatten().map(item).collect()
        }
        ("dynamodb", "BatchGetItem" | "BatchWriteItem") => accessed
            .request_items
            .keys()
            .map(|table| (action(operation), table_arn(table)))
            .collect(),
        ("dynamodb", _) => {
            let index = accessed
                .index_name
                .as_ref()
                .map(|index| format!("/index/{index}"))
                .unwrap_or_default();
            [(action(operation), table_arn(&name(&accessed.table_name)) + &index)].into()
        }
        ("kms", _) => [(action(operation), name(&accessed.key_id))].into(),
        ("sqs", _) => {
            [(action(operation.trim_end_matches("Batch")), queue_arn(&name(&accessed.queue_url)))]
                .into()
        }
        _ => {
            let arn = |entry: &AccessedResources| {
                format!(
                    "arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{}",
                    name(&entry.event_bus_name)
                )
            };
            accessed.entries.iter().map(|entry| (action(operation), arn(entry))).collect()
        }
    }
}

fn allows(statements: &[Statement], action: &str, resource: &str) -> bool {
    let allows = |statement: &Statement| {
        statement.actions.iter().any(|allowed| allowed == action)
            && statement.resources.iter().any(|allowed| allowed == resource)
    };
    statements.iter().any(allows)
}

fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

fn queue_arn(url: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", url.rsplit('/').next().unwrap_or_default())
}

/// Returns an error message if a function's role lacks a permission that Lambda needs to poll the
/// function's event source.
pub(crate) fn lacks(spec: &FunctionSpec) -> Option<String> {
    let needed = match &spec.source {
        None => Vec::new(),
        Some(Source::Queue { queue, .. }) => {
            let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}");
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
                .map(|action| (action, arn.clone()))
                .into()
        }
        Some(Source::Stream { table, on_failure, .. }) => {
            let stream = format!("{}/stream/local", table_arn(table));
            let reading = [
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ];
            let mut needed: Vec<_> = reading.map(|action| (action, stream.clone())).into();
            needed
                .push(("sqs:SendMessage", format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{on_failure}")));
            needed
        }
    };
    let (action, resource) = needed
        .into_iter()
        .find(|(action, resource)| !allows(&spec.statements, action, resource))?;
    Some(format!("the role of {} does not allow {action} on {resource}", spec.handler))
}
