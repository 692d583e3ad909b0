//! The one policy by which every call is repeated: what may pass is tried up to [`ATTEMPTS`] times, with full jitter
//! between (each wait is random between nothing and a bound that doubles), and never past the deadline.

use crate::{CONNECT_TIMEOUT, READ_TIMEOUT, Store};
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_async::rt::sleep::AsyncSleep;
use domain::Fault;
use std::{error::Error, time::Duration};

/// How often a call is made at most.
pub(crate) const ATTEMPTS: u32 = 4;

/// The bound of the first wait; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// The longest that one attempt takes: without as much time before the deadline, none is begun.
const ATTEMPT_TIME: Duration = CONNECT_TIMEOUT.saturating_add(READ_TIMEOUT);

/// Whether an error may pass by itself.
pub(crate) enum ErrorClass {
    /// The same call may succeed in a moment.
    Transient,
    /// It will fail in the same way again.
    Permanent,
}

/// The error codes by which DynamoDB says "in a moment".
const PASSING_CODES: [&str; 8] = [
    "ThrottlingException",
    "ThrottlingError",
    "ProvisionedThroughputExceededException",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionConflict",
    "TransactionInProgressException",
];

pub(crate) fn is_transient_code(code: &str) -> bool {
    PASSING_CODES.contains(&code)
}

/// How it stands with any error of any operation.
pub(crate) fn classify<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> ErrorClass {
    let passing = match error {
        SdkError::ServiceError(service) => {
            service.raw().status().as_u16() >= 500 || service.err().code().is_some_and(is_transient_code)
        }
        // The connection failed, the time ran out or the answer was cut short: whether it took effect is unknown.
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ConstructionFailure(_) | _ => false,
    };
    if passing { ErrorClass::Transient } else { ErrorClass::Permanent }
}

impl Store {
    /// Calls until it succeeds, or fails for good, or the attempts or the time are used up.
    ///
    /// An error that lasts comes back as it is, for the caller to understand.
    pub(crate) async fn persist<T, E, Fut>(
        &self,
        call: impl Fn() -> Fut,
        classify: impl Fn(&SdkError<E, HttpResponse>) -> ErrorClass,
    ) -> Result<Result<T, SdkError<E, HttpResponse>>, Fault>
    where
        E: Error + Send + Sync + 'static,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut bound = FIRST_WAIT;
        for attempt in 1.. {
            let error = match call().await {
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) => error,
            };
            if matches!(classify(&error), ErrorClass::Permanent) {
                return Ok(Err(error));
            }
            let wait = bound.mul_f64(rand::random());
            bound *= 2;
            let too_late = self.deadline.is_some_and(|deadline| self.now().plus(wait + ATTEMPT_TIME) > deadline);
            if attempt == ATTEMPTS || too_late {
                return Err(Fault::busy(error));
            }
            tracing::debug!(attempt, ?wait, "a call is made again");
            self.sleep.sleep(wait).await;
        }
        Err(Fault::busy("no attempt was made"))
    }

    /// As [`Store::persist`], where every error that lasts is a fault.
    pub(crate) async fn ask<T, E, Fut>(&self, call: impl Fn() -> Fut) -> Result<T, Fault>
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.persist(call, classify).await?.map_err(Fault::broken)
    }
}
