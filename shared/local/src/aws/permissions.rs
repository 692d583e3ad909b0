//! Whether a function's role allows a call: what a deployed function would be denied, it is denied here.

use super::{AwsError, Principal};
use crate::template::{ACCOUNT, FunctionSpec, REGION, Source, Statement};
use serde_json::Value;

/// The refusal, if the principal may not make this call.
pub(crate) fn denied(principal: &Principal, service: &str, operation: &str, body: &[u8]) -> Option<AwsError> {
    let statements = principal.statements.as_ref()?;
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let needed = match service {
        "dynamodb" => data_needs(operation, &request),
        "sqs" => vec![(format!("sqs:{}", operation.trim_end_matches("Batch")), queue_arn(&request["QueueUrl"]))],
        _ => bus_needs(operation, &request),
    };
    let (action, resource) = needed.into_iter().find(|(action, resource)| !allows(statements, action, resource))?;
    let message = format!("the role of {} does not allow {action} on {resource}", principal.function);
    Some(AwsError::new("AccessDeniedException", message))
}

fn allows(statements: &[Statement], action: &str, resource: &str) -> bool {
    let allows = |statement: &Statement| {
        statement.actions.iter().any(|allowed| allowed == action)
            && statement.resources.iter().any(|allowed| allowed == resource)
    };
    statements.iter().any(allows)
}

fn data_needs(operation: &str, request: &Value) -> Vec<(String, String)> {
    let action = |operation: &str| format!("dynamodb:{operation}");
    let table = |name: &Value| table_arn(name.as_str().unwrap_or_default());
    match operation {
        "TransactWriteItems" => {
            let writes =
                request["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
            let needs = |(kind, write): (&String, &Value)| {
                let kind =
                    if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
                (action(&kind), table(&write["TableName"]))
            };
            writes.map(needs).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = request["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(name, _)| (action(operation), table_arn(name))).collect()
        }
        _ => {
            let index = request["IndexName"].as_str().map(|index| format!("/index/{index}")).unwrap_or_default();
            vec![(action(operation), table(&request["TableName"]) + &index)]
        }
    }
}

fn bus_needs(operation: &str, request: &Value) -> Vec<(String, String)> {
    let entries = request["Entries"].as_array().into_iter().flatten();
    let bus = |entry: &Value| entry["EventBusName"].as_str().unwrap_or_default().to_owned();
    let arn = |entry: &Value| format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{}", bus(entry));
    entries.map(|entry| (format!("events:{operation}"), arn(entry))).collect()
}

fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

fn queue_arn(url: &Value) -> String {
    let name = url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// What Lambda itself needs of a function's role to feed it, and the role does not allow.
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
            let reading =
                ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];
            let mut needed: Vec<_> = reading.map(|action| (action, stream.clone())).into();
            needed.push(("sqs:SendMessage", format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{on_failure}")));
            needed
        }
    };
    let (action, resource) =
        needed.into_iter().find(|(action, resource)| !allows(&spec.statements, action, resource))?;
    Some(format!("the role of {} does not allow {action} on {resource}", spec.binary))
}
