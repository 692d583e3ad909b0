//! AWS in this process: DynamoDB, SQS, EventBridge and KMS behind an HTTP client for the SDK.
//!
//! Each call can be denied for a missing permission, fail with an injected fault, and be recorded.
//! All callers use the same services: functions, the platform itself, and programs on the AWS port.

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
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
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

/// The maximum number of recorded calls. The oldest are dropped first.
const MAX_CALLS: usize = 100_000;

/// The AWS services of a platform.
#[derive(Debug)]
pub struct Aws {
    /// DynamoDB.
    pub(crate) data: Data,
    /// SQS.
    pub queues: Queues,
    bus: Bus,
    keys: Keys,
    /// The injected faults.
    pub faults: Faults,
    /// Whether calls are recorded, with the capacity that they consumed.
    records: bool,
    calls: Mutex<VecDeque<Call>>,
    /// Whether concurrent transactions on the same item conflict, as in DynamoDB.
    contended: AtomicBool,
    /// The items of the transactions in progress, if transactions can conflict.
    in_flight: Mutex<HashSet<String>>,
}

/// A recorded AWS call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function that made it.
    pub function: String,
    /// `dynamodb`, `sqs`, `events` or `kms`.
    pub service: String,
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// The consumed read capacity, in whole units.
    pub read_units: u64,
    /// The consumed write capacity, in whole units.
    pub write_units: u64,
}

/// The response of a service, or its error.
pub(crate) type AwsResult = Result<Value, AwsError>;

/// An error in AWS's format.
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
        Self::new(
            "UnknownOperationException",
            format!("the local platform does not support {operation}"),
        )
    }

    fn body(&self) -> Vec<u8> {
        let mut body = self.more.clone();
        body["__type"] = self.code.clone().into();
        body["message"] = self.message.clone().into();
        body.to_string().into_bytes()
    }
}

/// The connection is lost before the response arrives.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
pub(crate) struct ConnectionLost;

/// An HTTP status and a body.
pub(crate) type Reply = (u16, Vec<u8>);

/// The caller of an AWS service and its permissions.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// The function that calls. Empty for a caller that is not a function.
    pub(crate) function: String,
    /// The permissions of the function's role. `None`: everything is allowed, as on the AWS port.
    pub(crate) statements: Option<Arc<Vec<Statement>>>,
}

impl Principal {
    /// A caller that is not a function and may do everything.
    pub(crate) fn anyone() -> Self {
        Self { function: String::new(), statements: None }
    }
}

impl Aws {
    pub(crate) fn new(
        template: &Template,
        data: Data,
        clock: Clock,
        records: bool,
    ) -> Result<Self, AwsError> {
        Ok(Self {
            queues: Queues::new(
                &template.queues,
                &template.endpoint,
                clock.clone(),
                data.journal(),
            )?,
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

    /// The embedded database itself, without permission checks, faults and recording.
    pub fn database(&self) -> &dynoxide::Database {
        self.data.database()
    }

    /// Makes concurrent transactions on the same item conflict from now on, as in DynamoDB.
    pub fn make_contended(&self) {
        self.contended.store(true, Relaxed);
    }

    /// Returns and clears the recorded calls.
    pub fn take_calls(&self) -> Vec<Call> {
        self.calls().drain(..).collect()
    }

    fn calls(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles one call. `target` is the value of the header `x-amz-target`.
    pub(crate) async fn call(
        &self,
        principal: &Principal,
        target: &str,
        body: &[u8],
    ) -> Result<Reply, ConnectionLost> {
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
            Some(Kind::Before) => Err(ConnectionLost),
            Some(Kind::After) => {
                self.serve(principal, service, operation, body).await;
                Err(ConnectionLost)
            }
            Some(kind @ (Kind::Conflict(_) | Kind::Throttle | Kind::Internal)) => {
                self.record(principal, service, operation, &json!({}));
                Ok(reply(Err(faults::error(kind, operation, body))))
            }
            Some(Kind::Entry) => {
                // The service is not called without entries: it would reject an empty batch.
                let remaining = faults::without_first_entry(body);
                let served = match remaining {
                    Some(remaining) => self.serve(principal, service, operation, &remaining).await,
                    None => (200, b"{}".to_vec()),
                };
                Ok(faults::with_first_entry_failed(served, operation))
            }
            None => Ok(self.serve(principal, service, operation, body).await),
        }
    }

    async fn serve(
        &self,
        principal: &Principal,
        service: &str,
        operation: &str,
        body: &[u8],
    ) -> Reply {
        if service == "dynamodb" {
            return self.serve_data(principal, operation, body);
        }
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        self.record(principal, service, operation, &json!({}));
        reply(match service {
            "sqs" => self.queues.respond(operation, &request).await,
            "kms" => self.keys.respond(operation, &request),
            _ => self.bus.respond(operation, &request, &self.queues),
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
        let (status, response) = self.data.respond(operation, body, is_counted);
        if !claimed.is_empty() {
            self.in_flight
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|key| !claimed.contains(key));
        }
        if is_counted {
            self.record(
                principal,
                "dynamodb",
                operation,
                &serde_json::from_slice(&response).unwrap_or_default(),
            );
        }
        (status, response)
    }

    /// Claims the items of a transaction and returns them. Fails with a transaction conflict if
    /// another transaction in progress has claimed one of them.
    fn claim(&self, operation: &str, body: &[u8]) -> Result<Vec<String>, AwsError> {
        if operation != "TransactWriteItems" || !self.contended.load(Relaxed) {
            return Ok(Vec::new());
        }
        let keys = data::keys_written(body);
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(conflicting) = keys.iter().position(|key| in_flight.contains(key)) {
            return Err(faults::error(Kind::Conflict(conflicting), operation, body));
        }
        in_flight.extend(keys.iter().cloned());
        Ok(keys)
    }

    /// Whether calls of this principal are recorded. Only calls of functions are.
    fn counts(&self, principal: &Principal) -> bool {
        self.records && principal.statements.is_some()
    }

    fn record(&self, principal: &Principal, service: &str, operation: &str, response: &Value) {
        if !self.counts(principal) {
            return;
        }
        let (read_units, write_units) = data::capacity(operation, response);
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

fn reply(result: AwsResult) -> Reply {
    match result {
        Ok(body) => (200, body.to_string().into_bytes()),
        Err(error) => (error.status, error.body()),
    }
}

/// The AWS SDK's HTTP client of one function.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) aws: Arc<Aws>,
    pub(crate) principal: Principal,
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { aws, principal } = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            let body = request.body().bytes().unwrap_or_default();
            let (status, body) = aws
                .call(&principal, &target, body)
                .await
                .map_err(|lost| ConnectorError::io(lost.into()))?;
            let status = StatusCode::try_from(status)
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        })
    }
}
