//! `template.yaml` and its nested templates as the local platform reads them: what is deployed is
//! what runs.

mod document;
mod parameters;
mod resolver;
mod resources;

use resolver::Resolver;
use resources::{function, list, queue, rule, statement, table, text};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The account and region that everything local is in.
pub const ACCOUNT: &str = "000000000000";
/// The region.
pub const REGION: &str = "ap-northeast-2";

/// Everything that the platform makes of the template.
#[derive(Debug, Clone)]
pub struct Template {
    /// The functions, as they stand in the template.
    pub functions: Vec<FunctionSpec>,
    /// The tables: `CreateTable` requests, and the attribute that holds when a row expires.
    pub tables: Vec<TableSpec>,
    /// The queues.
    pub queues: Vec<QueueSpec>,
    /// The names of the event buses.
    pub buses: Vec<String>,
    /// The rules of the event buses.
    pub rules: Vec<RuleSpec>,
    /// The permissions boundary of every function.
    pub boundary: Vec<Statement>,
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
    /// Whether it may be invoked by messages that it sends itself (`RecursiveLoop: Allow`).
    pub may_recur: bool,
    /// Its routes.
    pub routes: Vec<RouteSpec>,
    /// The schedule that calls it.
    pub schedule: Option<ScheduleSpec>,
    /// Its event source.
    pub source: Option<Source>,
}

/// A schedule.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleSpec {
    /// The time between two invocations.
    pub period: Duration,
    /// Whether it invokes the function by itself. Otherwise only by hand.
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

/// An event source of a function.
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
        /// The number of retries of a failing batch.
        retries: u32,
        /// The maximum age of a record.
        most_age: Duration,
        /// The queue that receives the metadata of exhausted records.
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
    /// The attribute that holds when a row expires.
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
    /// The dead-letter queue, and after how many deliveries a message moves to it.
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

/// The name in an ARN of ours: `arn:aws:sqs:…:Name` is `Name`, `arn:aws:dynamodb:…:table/Name/…`
/// too.
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
    pub fn own(
        parameters: &BTreeMap<String, String>,
        endpoint: &str,
    ) -> Result<Self, TemplateError> {
        let document = document::root()?;
        let declared = document["Parameters"].as_object().cloned().unwrap_or_default();
        if let Some(unknown) = parameters.keys().find(|name| !declared.contains_key(*name)) {
            let known: Vec<&str> = declared.keys().map(String::as_str).collect();
            return Err(unfit(format!(
                "the template has no parameter {unknown}; it has {}",
                known.join(", ")
            )));
        }
        for (name, value) in parameters {
            parameters::check(name, &declared[name], value)?;
        }
        let mut template = Self {
            functions: Vec::new(),
            tables: Vec::new(),
            queues: Vec::new(),
            buses: Vec::new(),
            rules: Vec::new(),
            boundary: Vec::new(),
            endpoint: endpoint.to_owned(),
        };
        template.add(&Resolver::new(document, parameters.clone(), endpoint, String::new()))?;
        template.check_boundary()?;
        Ok(template)
    }

    /// Refuses a role that allows more than the permissions boundary: what lies outside would be
    /// denied where it is deployed.
    fn check_boundary(&self) -> Result<(), TemplateError> {
        let is_inside = |action: &str, resource: &str| {
            let matches = |pattern: &str| match pattern.strip_suffix('*') {
                Some(start) => resource.starts_with(start),
                None => resource == pattern,
            };
            let allows = |statement: &Statement| {
                statement.actions.iter().any(|allowed| allowed == action)
                    && statement.resources.iter().any(|pattern| matches(pattern))
            };
            self.boundary.iter().any(allows)
        };
        for function in &self.functions {
            for Statement { actions, resources } in &function.statements {
                let pairs = actions
                    .iter()
                    .flat_map(|action| resources.iter().map(move |resource| (action, resource)));
                if let Some((action, resource)) =
                    pairs.into_iter().find(|(action, resource)| !is_inside(action, resource))
                {
                    let handler = &function.handler;
                    return Err(unfit(format!(
                        "the permissions boundary of {handler} denies {action} on {resource}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Adds the resources of a stack, and those of the stacks that are nested in it.
    fn add(&mut self, stack: &Resolver) -> Result<(), TemplateError> {
        for (id, resource) in stack.resources()? {
            if !stack.holds(&resource["Condition"])? {
                continue;
            }
            let properties = stack.resolve(&resource["Properties"])?;
            let name = stack.physical(id);
            match resource["Type"].as_str().unwrap_or_default() {
                "AWS::Serverless::Function" => {
                    self.functions.push(function(stack, &name, resource, &properties)?);
                }
                "AWS::DynamoDB::Table" => self.tables.push(table(&name, properties)),
                "AWS::SQS::Queue" => self.queues.push(queue(&name, &properties)),
                "AWS::Events::EventBus" => self.buses.push(text(&properties["Name"])),
                "AWS::Events::Rule" => self.rules.push(rule(&properties)),
                "AWS::IAM::ManagedPolicy" => {
                    self.boundary = list(&properties["PolicyDocument"]["Statement"])
                        .iter()
                        .map(statement)
                        .collect();
                }
                "AWS::CloudFormation::Stack" => self.add(&stack.nested(id)?)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A function by the name of its handler.
    pub fn function(&self, handler: &str) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.handler == handler)
    }
}
