//! `template.yaml` as the local platform understands it: what is deployed is what runs.

mod parameters;
mod resolver;

use resolver::Resolver;
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;
use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

/// The template that this platform was built with, read once for each process.
static DOCUMENT: LazyLock<Result<Value, String>> =
    LazyLock::new(|| document(include_str!("../../../template.yaml")).map_err(|error| error.to_string()));

/// The account and region that everything local is in.
pub const ACCOUNT: &str = "000000000000";
/// The region.
pub const REGION: &str = "ap-northeast-2";

/// Everything that the platform makes of the template.
#[derive(Debug, Clone)]
pub struct Template {
    /// The functions, as they stand in the template.
    pub functions: Vec<FunctionSpec>,
    /// The tables: `CreateTable` requests, and the attribute that tells when a row expires.
    pub tables: Vec<TableSpec>,
    /// The queues.
    pub queues: Vec<QueueSpec>,
    /// The names of the event buses.
    pub buses: Vec<String>,
    /// The rules of the event buses.
    pub rules: Vec<RuleSpec>,
    /// Where the AWS services are.
    pub endpoint: String,
}

/// A function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The name of its handler.
    pub handler: String,
    /// The binary that has the handler.
    pub binary: String,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// What it may do.
    pub statements: Vec<Statement>,
    /// Whether it may be called again and again by messages that it sends itself.
    pub may_recur: bool,
    /// The routes that it answers.
    pub routes: Vec<RouteSpec>,
    /// The schedule that calls it.
    pub schedule: Option<ScheduleSpec>,
    /// What feeds it.
    pub source: Option<Source>,
}

/// A schedule.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleSpec {
    /// How often it calls.
    pub period: Duration,
    /// Whether it calls by itself, and not by hand alone.
    pub is_enabled: bool,
}

/// A route: the method (`ANY` for every one) and path, or `$default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Whether it is open to callers without a token.
    pub is_public: bool,
}

/// A permission: actions on resources.
#[derive(Debug, Clone)]
pub struct Statement {
    /// `service:Action`.
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<String>,
}

/// What feeds a function.
#[derive(Debug, Clone)]
pub enum Source {
    /// A queue.
    Queue {
        /// Its name.
        queue: String,
        /// Messages in a batch.
        batch_size: usize,
    },
    /// A table's stream.
    Stream {
        /// The table.
        table: String,
        /// Records in a batch.
        batch_size: usize,
        /// Patterns, of which a record must fit one.
        patterns: Vec<String>,
        /// How often a failing batch is tried again.
        retries: u32,
        /// How old a record may get.
        most_age: Duration,
        /// The queue that hears of what was given up.
        on_failure: String,
    },
}

/// A table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// The `CreateTable` request that makes it.
    pub create: Value,
    /// The attribute that tells when a row expires.
    pub expires_by: Option<String>,
}

/// A queue.
#[derive(Debug, Clone)]
pub struct QueueSpec {
    /// Its name.
    pub name: String,
    /// How long a delivered message stays hidden.
    pub visibility_timeout: Duration,
    /// How long a sent message stays hidden.
    pub delay: Duration,
    /// How long a message is kept, from when it was first sent.
    pub retention: Duration,
    /// Where messages go that were delivered too often, and how often is too often.
    pub redrive: Option<(String, u32)>,
}

/// A rule of an event bus.
#[derive(Debug, Clone)]
pub struct RuleSpec {
    /// The bus.
    pub bus: String,
    /// The pattern that an event must fit.
    pub pattern: String,
    /// The queues that get it, and which part of it.
    pub targets: Vec<(String, Option<String>)>,
}

/// Why a template cannot be run: something is missing, or of the wrong kind.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

fn unfit(why: impl Into<String>) -> TemplateError {
    TemplateError(why.into())
}

/// The name in an ARN of ours: `arn:aws:sqs:…:Name` is `Name`, `arn:aws:dynamodb:…:table/Name/…` too.
pub fn name_in_arn(arn: &str) -> &str {
    let last = arn.rsplit(':').next().unwrap_or(arn);
    let mut parts = last.split('/');
    match (parts.next(), parts.next()) {
        (Some("table" | "event-bus"), Some(name)) | (Some(name), _) => name,
        (None, _) => last,
    }
}

/// The URL of a queue of the services at this endpoint.
pub fn queue_url(endpoint: &str, name: &str) -> String {
    format!("{endpoint}/{ACCOUNT}/{name}")
}

impl Template {
    /// The platform's own template with these parameters, for AWS services at `endpoint`.
    pub fn own(parameters: &BTreeMap<String, String>, endpoint: &str) -> Result<Self, TemplateError> {
        Self::of(DOCUMENT.as_ref().map_err(unfit)?, parameters, endpoint)
    }

    fn of(document: &Value, parameters: &BTreeMap<String, String>, endpoint: &str) -> Result<Self, TemplateError> {
        let declared = document["Parameters"].as_object().cloned().unwrap_or_default();
        if let Some(unknown) = parameters.keys().find(|name| !declared.contains_key(*name)) {
            let known: Vec<&str> = declared.keys().map(String::as_str).collect();
            return Err(unfit(format!("the template has no parameter {unknown}; it has {}", known.join(", "))));
        }
        for (name, value) in parameters {
            parameters::check(name, &declared[name], value)?;
        }
        let resolver = Resolver { document, parameters, declared: &declared, endpoint };
        let mut template = Self {
            functions: Vec::new(),
            tables: Vec::new(),
            queues: Vec::new(),
            buses: Vec::new(),
            rules: Vec::new(),
            endpoint: endpoint.to_owned(),
        };
        for (name, resource) in resolver.resources()? {
            let properties = resolver.resolve(&resource["Properties"])?;
            match resource["Type"].as_str().unwrap_or_default() {
                "AWS::Serverless::Function" => {
                    template.functions.push(function(&resolver, name, resource, &properties)?);
                }
                "AWS::DynamoDB::Table" => template.tables.push(table(name, properties)),
                "AWS::SQS::Queue" => template.queues.push(queue(name, &properties)),
                "AWS::Events::EventBus" => template.buses.push(text(&properties["Name"])),
                "AWS::Events::Rule" => template.rules.push(rule(&properties)),
                _ => {}
            }
        }
        Ok(template)
    }

    /// A function by the name of its handler.
    pub fn function(&self, handler: &str) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.handler == handler)
    }
}

fn document(yaml: &str) -> Result<Value, serde_norway::Error> {
    serde_norway::from_str(yaml).map(plain)
}

/// YAML with CloudFormation's short tags as JSON with the long forms: `!Ref X` is `{"Ref": "X"}`.
fn plain(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!');
            let value = plain(tagged.value);
            match (name, &value) {
                ("Ref" | "Condition", _) => json!({ name: value }),
                ("GetAtt", Value::String(path)) => json!({ "Fn::GetAtt": path.splitn(2, '.').collect::<Vec<_>>() }),
                _ => json!({ format!("Fn::{name}"): value }),
            }
        }
        Yaml::Mapping(mapping) => {
            let member = |(key, value): (Yaml, Yaml)| Some((key.as_str()?.to_owned(), plain(value)));
            mapping.into_iter().filter_map(member).collect::<Map<_, _>>().into()
        }
        Yaml::Sequence(items) => items.into_iter().map(plain).collect::<Vec<_>>().into(),
        scalar @ (Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::String(_)) => {
            serde_json::to_value(scalar).unwrap_or_default()
        }
    }
}

fn function(
    resolver: &Resolver<'_>,
    name: &str,
    resource: &Value,
    properties: &Value,
) -> Result<FunctionSpec, TemplateError> {
    let globals = resolver.resolve(&resolver.document["Globals"]["Function"])?;
    let required =
        |value: &Value, what| value.as_str().map(str::to_owned).ok_or_else(|| unfit(format!("{name} has no {what}")));
    let handler = required(&properties["Handler"], "Handler")?;
    let binary = required(&resource["Metadata"]["BuildProperties"]["Binary"], "Binary")?;
    let variables =
        [&globals, properties].map(|from| from["Environment"]["Variables"].as_object().cloned().unwrap_or_default());
    let environment = variables.into_iter().flatten().map(|(name, value)| (name, text(&value))).collect();
    let timeout = properties["Timeout"].as_u64().or_else(|| globals["Timeout"].as_u64()).unwrap_or(3);
    let role = resolver.resolve(&resolver.document["Resources"][format!("{name}Role")]["Properties"]["Policies"])?;
    let statements = list(&role).iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
    let statement = |statement: &Value| Statement {
        actions: texts(&statement["Action"]),
        resources: texts(&statement["Resource"]),
    };
    let mut spec = FunctionSpec {
        statements: statements.map(statement).collect(),
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
                spec.schedule = Some(ScheduleSpec { period, is_enabled: properties["State"] != "DISABLED" });
            }
            "SQS" => spec.source = Some(queue_source(properties)),
            "DynamoDB" => spec.source = Some(stream_source(properties)),
            other => return Err(unfit(format!("the local platform does not know events of type {other}"))),
        }
    }
    Ok(spec)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> &[Value] {
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
    let inside = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(unknown)?;
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
        retries: u32::try_from(properties["MaximumRetryAttempts"].as_u64().unwrap_or(u64::from(u32::MAX)))
            .unwrap_or(u32::MAX),
        most_age: Duration::from_secs(properties["MaximumRecordAgeInSeconds"].as_u64().unwrap_or(86_400)),
        on_failure: name_in_arn(&text(&properties["DestinationConfig"]["OnFailure"]["Destination"])).to_owned(),
    }
}

fn size(value: &Value, default: usize) -> usize {
    value.as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(default)
}

fn table(name: &str, mut properties: Value) -> TableSpec {
    let mut create = json!({ "TableName": name });
    for part in ["KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes"] {
        if let Some(value) = properties.get_mut(part) {
            create[part] = value.take();
        }
    }
    if let Some(view) = properties["StreamSpecification"].get("StreamViewType") {
        create["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    let expires_by = properties["TimeToLiveSpecification"]["AttributeName"].as_str().map(str::to_owned);
    TableSpec { name: name.to_owned(), create, expires_by }
}

fn queue(name: &str, properties: &Value) -> QueueSpec {
    let seconds = |property: &str, default| Duration::from_secs(properties[property].as_u64().unwrap_or(default));
    let policy = &properties["RedrivePolicy"];
    let most = policy["maxReceiveCount"].as_u64().and_then(|count| u32::try_from(count).ok());
    QueueSpec {
        name: name.to_owned(),
        visibility_timeout: seconds("VisibilityTimeout", 30),
        delay: seconds("DelaySeconds", 0),
        // Four days, as SQS has it.
        retention: seconds("MessageRetentionPeriod", 345_600),
        redrive: most.map(|most| (name_in_arn(&text(&policy["deadLetterTargetArn"])).to_owned(), most)),
    }
}

fn rule(properties: &Value) -> RuleSpec {
    let target = |target: &Value| {
        let part = target["InputPath"].as_str().map(str::to_owned);
        (name_in_arn(&text(&target["Arn"])).to_owned(), part)
    };
    RuleSpec {
        bus: name_in_arn(&text(&properties["EventBusName"])).to_owned(),
        pattern: properties["EventPattern"].to_string(),
        targets: list(&properties["Targets"]).iter().map(target).collect(),
    }
}
