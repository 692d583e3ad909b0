//! The resources of a template as specs of the local platform.

use super::{
    FunctionSpec, QueueSpec, RouteSpec, RuleSpec, ScheduleSpec, Source, Statement, TableSpec,
    TemplateError, name_in_arn, resolver::Resolver, unfit,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The actions of `AWSLambdaSQSQueueExecutionRole`, which SAM adds to the role of a function with
/// an SQS event.
const SQS_ACTIONS: [&str; 3] =
    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// The actions of `AWSLambdaDynamoDBExecutionRole`, which SAM adds to the role of a function with a
/// DynamoDB event.
const STREAM_ACTIONS: [&str; 4] = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];

/// A permission of a policy document.
pub(super) fn statement(statement: &Value) -> Statement {
    Statement { actions: texts(&statement["Action"]), resources: texts(&statement["Resource"]) }
}

/// What SAM adds to a role for an event source, as far as the permissions boundary leaves it.
fn of_event_source(actions: &[&str], source: &Value) -> Statement {
    Statement {
        actions: actions.iter().map(ToString::to_string).collect(),
        resources: vec![text(source)],
    }
}

pub(super) fn function(
    resolver: &Resolver,
    name: &str,
    resource: &Value,
    properties: &Value,
) -> Result<FunctionSpec, TemplateError> {
    let globals = resolver.resolve(&resolver.document["Globals"]["Function"])?;
    let required = |value: &Value, what| {
        value.as_str().map(str::to_owned).ok_or_else(|| unfit(format!("{name} has no {what}")))
    };
    let handler = required(&properties["Handler"], "Handler")?;
    let binary = required(&resource["Metadata"]["BuildProperties"]["Binary"], "Binary")?;
    let variables = [&globals, properties]
        .map(|from| from["Environment"]["Variables"].as_object().cloned().unwrap_or_default());
    let environment =
        variables.into_iter().flatten().map(|(name, value)| (name, text(&value))).collect();
    let timeout =
        properties["Timeout"].as_u64().or_else(|| globals["Timeout"].as_u64()).unwrap_or(3);
    let policies =
        list(&properties["Policies"]).iter().flat_map(|policy| list(&policy["Statement"]));
    let mut spec = FunctionSpec {
        statements: policies.map(statement).collect(),
        timeout: Duration::from_secs(timeout),
        may_recur: properties["RecursiveLoop"] == "Allow",
        environment,
        routes: Vec::new(),
        schedule: None,
        source: None,
        handler,
        binary,
    };
    for event in properties["Events"].as_object().into_iter().flat_map(Map::values) {
        let properties = &event["Properties"];
        match event["Type"].as_str().unwrap_or_default() {
            "HttpApi" => spec.routes.push(route(properties)),
            "ScheduleV2" => {
                let period = rate(properties["ScheduleExpression"].as_str().unwrap_or_default())?;
                spec.schedule =
                    Some(ScheduleSpec { period, is_enabled: properties["State"] != "DISABLED" });
            }
            "SQS" => {
                spec.statements.push(of_event_source(&SQS_ACTIONS, &properties["Queue"]));
                spec.source = Some(queue_source(properties));
            }
            "DynamoDB" => {
                spec.statements.push(of_event_source(&STREAM_ACTIONS, &properties["Stream"]));
                spec.source = Some(stream_source(properties));
            }
            other => {
                return Err(unfit(format!(
                    "the local platform does not know events of type {other}"
                )));
            }
        }
    }
    Ok(spec)
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text or a list of texts.
fn texts(value: &Value) -> Vec<String> {
    if value.is_array() { list(value).iter().map(text).collect() } else { vec![text(value)] }
}

fn route(properties: &Value) -> RouteSpec {
    RouteSpec {
        method: properties["Method"].as_str().unwrap_or("ANY").to_uppercase(),
        path: properties["Path"].as_str().unwrap_or("$default").to_owned(),
        is_public: properties["Auth"]["Authorizer"].as_str() == Some("NONE"),
    }
}

/// `rate(1 minute)`, `rate(2 hours)`, `rate(1 day)`.
fn rate(expression: &str) -> Result<Duration, TemplateError> {
    let unknown = || unfit(format!("the local platform knows rate(…) and not {expression}"));
    let inside = expression
        .strip_prefix("rate(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(unknown)?;
    let (number, unit) = inside.split_once(' ').ok_or_else(unknown)?;
    let number: u64 = number.parse().map_err(|_| unknown())?;
    match unit.trim_end_matches('s') {
        "minute" => Ok(Duration::from_mins(number)),
        "hour" => Ok(Duration::from_hours(number)),
        "day" => Ok(Duration::from_hours(24 * number)),
        _ => Err(unknown()),
    }
}

fn queue_source(properties: &Value) -> Source {
    Source::Queue {
        queue: name_in_arn(&text(&properties["Queue"])).to_owned(),
        batch_size: size(&properties["BatchSize"], 10),
    }
}

fn stream_source(properties: &Value) -> Source {
    let filters = list(&properties["FilterCriteria"]["Filters"]);
    Source::Stream {
        table: name_in_arn(&text(&properties["Stream"])).to_owned(),
        batch_size: size(&properties["BatchSize"], 100),
        patterns: filters.iter().map(|filter| text(&filter["Pattern"])).collect(),
        retries: u32::try_from(
            properties["MaximumRetryAttempts"].as_u64().unwrap_or(u64::from(u32::MAX)),
        )
        .unwrap_or(u32::MAX),
        most_age: Duration::from_secs(
            properties["MaximumRecordAgeInSeconds"].as_u64().unwrap_or(86_400),
        ),
        on_failure: name_in_arn(&text(
            &properties["DestinationConfig"]["OnFailure"]["Destination"],
        ))
        .to_owned(),
    }
}

/// A number, or a parameter with one.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn size(value: &Value, default: usize) -> usize {
    value.as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(default)
}

pub(super) fn table(name: &str, mut properties: Value) -> TableSpec {
    let mut create = json!({ "TableName": name });
    for part in ["KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes"] {
        if let Some(value) = properties.get_mut(part) {
            create[part] = value.take();
        }
    }
    if let Some(view) = properties["StreamSpecification"].get("StreamViewType") {
        create["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    let expires_by =
        properties["TimeToLiveSpecification"]["AttributeName"].as_str().map(str::to_owned);
    TableSpec { name: name.to_owned(), create, expires_by }
}

pub(super) fn queue(name: &str, properties: &Value) -> QueueSpec {
    let seconds = |property: &str, default| {
        Duration::from_secs(number(&properties[property]).unwrap_or(default))
    };
    let policy = &properties["RedrivePolicy"];
    let most = number(&policy["maxReceiveCount"]).and_then(|count| u32::try_from(count).ok());
    QueueSpec {
        name: name.to_owned(),
        visibility_timeout: seconds("VisibilityTimeout", 30),
        delay: seconds("DelaySeconds", 0),
        // Four days, the default of SQS.
        retention: seconds("MessageRetentionPeriod", 345_600),
        redrive: most
            .map(|most| (name_in_arn(&text(&policy["deadLetterTargetArn"])).to_owned(), most)),
    }
}

pub(super) fn rule(properties: &Value) -> RuleSpec {
    let target = |target: &Value| {
        let part = target["InputPath"].as_str().map(str::to_owned);
        (name_in_arn(&text(&target["Arn"])).to_owned(), part)
    };
    RuleSpec {
        bus: name_in_arn(&text(&properties["EventBusName"])).to_owned(),
        // A pattern is an object, or the text of one.
        pattern: text(&properties["EventPattern"]),
        targets: list(&properties["Targets"]).iter().map(target).collect(),
    }
}
