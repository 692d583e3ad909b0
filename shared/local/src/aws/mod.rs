//! AWS in this process: one HTTP client for the SDK, behind which DynamoDB, SQS and EventBridge answer.
//!
//! Every call can be refused for want of permission, hit by a fault, and counted; the services behind it are the same
//! whoever calls: a function, the platform itself, or a program on the AWS port.

pub mod bus;
pub(crate) mod data;
pub mod faults;
mod keys;
mod permissions;
pub mod queues;

use crate::{
    clock::Clock,
    template::{Statement, Template},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use bus::Bus;
use data::Data;
use faults::{Faults, Kind};
use keys::Keys;
use queues::Queues;
use serde_json::{Value, json};
use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

pub(crate) use permissions::lacks;

/// Calls that are remembered at the most.
const MAX_CALLS: usize = 100_000;

/// The services of a platform.
#[derive(Debug)]
pub struct Aws {
    /// DynamoDB.
    pub(crate) data: Data,
    /// SQS.
    pub queues: Queues,
    bus: Bus,
    keys: Keys,
    /// The faults that are injected.
    pub faults: Faults,
    /// Whether calls are remembered, with the capacity that they consumed.
    records: bool,
    calls: Mutex<VecDeque<Call>>,
    /// Whether two transactions on one item at the same time conflict, as DynamoDB's do.
    contended: AtomicBool,
    in_flight: Mutex<HashSet<String>>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function that made it.
    pub function: String,
    /// `dynamodb`, `sqs` or `events`.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// Read capacity that it consumed, in whole units.
    pub read_units: u64,
    /// Write capacity that it consumed, in whole units.
    pub write_units: u64,
}

/// What a service answers.
pub(crate) type Answer = Result<Value, AwsError>;

/// An error as AWS words it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) more: Value,
}

impl AwsError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into(), more: json!({}) }
    }

    pub(crate) fn unknown(operation: &str) -> Self {
        Self::new("UnknownOperationException", format!("the local platform does not know {operation}"))
    }

    fn body(&self) -> Vec<u8> {
        let mut body = self.more.clone();
        body["__type"] = self.code.clone().into();
        body["message"] = self.message.clone().into();
        body.to_string().into_bytes()
    }
}

/// The answer never comes.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
pub(crate) struct Lost;

/// A status and a body.
pub(crate) type Reply = (u16, Vec<u8>);

/// Who makes a call, and what they may do; the AWS port may do everything.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) function: String,
    pub(crate) statements: Option<Arc<Vec<Statement>>>,
}

impl Principal {
    pub(crate) fn anyone() -> Self {
        Self { function: String::new(), statements: None }
    }
}

impl Aws {
    pub(crate) fn new(template: &Template, data: Data, clock: Clock, records: bool) -> Result<Self, AwsError> {
        Ok(Self {
            queues: Queues::new(&template.queues, &template.endpoint, clock.clone(), data.journal())?,
            bus: Bus::new(&template.buses, &template.rules, clock)?,
            keys: Keys::new(&data.journal())?,
            faults: Faults::default(),
            data,
            records,
            calls: Mutex::default(),
            contended: AtomicBool::new(false),
            in_flight: Mutex::default(),
        })
    }

    /// The embedded database itself, past all that stands before it.
    pub fn database(&self) -> &dynoxide::Database {
        self.data.database()
    }

    /// From now on, two transactions on one item at the same time conflict, as DynamoDB's do.
    pub fn make_contended(&self) {
        self.contended.store(true, Relaxed);
    }

    /// The calls since the last time.
    pub fn take_calls(&self) -> Vec<Call> {
        self.calls().drain(..).collect()
    }

    fn calls(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one call, named as in the header `x-amz-target`.
    pub(crate) async fn call(&self, principal: &Principal, target: &str, body: &[u8]) -> Result<Reply, Lost> {
        let (api, operation) = target.split_once('.').unwrap_or((target, ""));
        let service = match api {
            "DynamoDB_20120810" | "DynamoDBStreams_20120810" => "dynamodb",
            "AmazonSQS" => "sqs",
            "AWSEvents" => "events",
            "TrentService" => "kms",
            _ => return Ok(reply(Err(AwsError::unknown(target)))),
        };
        if let Some(denied) = permissions::denied(principal, service, operation, body) {
            return Ok(reply(Err(denied)));
        }
        match self.faults.strike(service, operation) {
            Some(Kind::Before) => Err(Lost),
            Some(Kind::After) => {
                self.serve(principal, service, operation, body).await;
                Err(Lost)
            }
            Some(kind @ (Kind::Conflict(_) | Kind::Throttle | Kind::Internal)) => {
                self.record(principal, service, operation, &json!({}));
                Ok(reply(Err(faults::error(kind, operation, body))))
            }
            Some(Kind::Entry) => {
                // A call of one entry has none left, which the service would refuse.
                let rest = faults::without_first_entry(body);
                let answer = match rest {
                    Some(rest) => self.serve(principal, service, operation, &rest).await,
                    None => (200, b"{}".to_vec()),
                };
                Ok(faults::with_first_entry_failed(answer, operation))
            }
            None => Ok(self.serve(principal, service, operation, body).await),
        }
    }

    async fn serve(&self, principal: &Principal, service: &str, operation: &str, body: &[u8]) -> Reply {
        if service == "dynamodb" {
            return self.serve_data(principal, operation, body);
        }
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        self.record(principal, service, operation, &json!({}));
        reply(match service {
            "sqs" => self.queues.answer(operation, &request).await,
            "kms" => self.keys.answer(operation, &request),
            _ => self.bus.answer(operation, &request, &self.queues),
        })
    }

    fn serve_data(&self, principal: &Principal, operation: &str, body: &[u8]) -> Reply {
        let claimed = match self.claim(operation, body) {
            Ok(claimed) => claimed,
            Err(conflict) => {
                self.record(principal, "dynamodb", operation, &json!({}));
                return reply(Err(conflict));
            }
        };
        let is_counted = self.counts(principal);
        let (status, answer) = self.data.answer(operation, body, is_counted);
        if !claimed.is_empty() {
            self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).retain(|key| !claimed.contains(key));
        }
        if is_counted {
            self.record(principal, "dynamodb", operation, &serde_json::from_slice(&answer).unwrap_or_default());
        }
        (status, answer)
    }

    /// Takes the items of a transaction, unless another that is under way has one of them.
    fn claim(&self, operation: &str, body: &[u8]) -> Result<Vec<String>, AwsError> {
        if operation != "TransactWriteItems" || !self.contended.load(Relaxed) {
            return Ok(Vec::new());
        }
        let keys = data::keys_written(body);
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = keys.iter().position(|key| in_flight.contains(key)) {
            return Err(faults::error(Kind::Conflict(taken), operation, body));
        }
        in_flight.extend(keys.iter().cloned());
        Ok(keys)
    }

    /// Whether calls of this principal are remembered: those of functions alone.
    fn counts(&self, principal: &Principal) -> bool {
        self.records && principal.statements.is_some()
    }

    fn record(&self, principal: &Principal, service: &str, operation: &str, answer: &Value) {
        if !self.counts(principal) {
            return;
        }
        let (read_units, write_units) = data::capacity(operation, answer);
        let mut calls = self.calls();
        if calls.len() == MAX_CALLS {
            calls.pop_front();
        }
        calls.push_back(Call {
            function: principal.function.clone(),
            service: service.into(),
            operation: operation.into(),
            read_units,
            write_units,
        });
    }
}

fn reply(answer: Answer) -> Reply {
    match answer {
        Ok(body) => (200, body.to_string().into_bytes()),
        Err(error) => (error.status, error.body()),
    }
}

/// The SDK's HTTP client of one function.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) aws: Arc<Aws>,
    pub(crate) principal: Principal,
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { aws, principal } = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            let body = request.body().bytes().unwrap_or_default();
            let (status, body) =
                aws.call(&principal, &target, body).await.map_err(|lost| ConnectorError::io(lost.into()))?;
            let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        })
    }
}
