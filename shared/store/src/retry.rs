//! The retry policy of every DynamoDB call.
//!
//! Transient errors are retried with exponential backoff and full jitter: up to [`ATTEMPTS`]
//! attempts, each wait random between zero and a bound that doubles. No retry starts that could end
//! after the deadline.

use crate::{CONNECT_TIMEOUT, READ_TIMEOUT, Store};
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_async::rt::sleep::AsyncSleep;
use domain::Fault;
use std::{error::Error, time::Duration};

/// The most attempts of one call.
const ATTEMPTS: u32 = 4;

/// The upper bound of the first wait. It doubles with each attempt.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// The longest duration of one attempt. No retry starts with less time than this before the
/// deadline.
const ATTEMPT_TIME: Duration = CONNECT_TIMEOUT.saturating_add(READ_TIMEOUT);

/// Whether a failed DynamoDB call is worth retrying.
pub(crate) enum ErrorClass {
    /// Throttling, contention, a timeout, a 5xx: the same call may succeed later.
    Transient,
    /// A validation or permission error, or a failed condition: retrying cannot help.
    Permanent,
}

/// The DynamoDB error codes that are transient.
const TRANSIENT_CODES: [&str; 8] = [
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
    TRANSIENT_CODES.contains(&code)
}

/// Classifies an error of any DynamoDB operation.
pub(crate) fn classify<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> ErrorClass {
    let is_transient = match error {
        SdkError::ServiceError(service) => {
            service.raw().status().as_u16() >= 500
                || service.err().code().is_some_and(is_transient_code)
        }
        // The connection failed, the call timed out or the response was cut off: it is unknown
        // whether the call took effect.
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            true
        }
        SdkError::ConstructionFailure(_) | _ => false,
    };
    if is_transient { ErrorClass::Transient } else { ErrorClass::Permanent }
}

/// The fault that a failed call means.
pub(crate) fn fault<E>(error: SdkError<E, HttpResponse>) -> Fault
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match classify(&error) {
        ErrorClass::Transient => Fault::busy(error),
        ErrorClass::Permanent => Fault::broken(error),
    }
}

impl Store {
    /// Makes a call until it succeeds, fails permanently, or runs out of attempts or time.
    ///
    /// Returns a permanent error unchanged in the inner `Result`, for the caller to interpret. A
    /// transient error that cannot be retried any more is [`Fault::Busy`].
    pub(crate) async fn with_retries<T, E, Fut>(
        &self,
        call: impl Fn() -> Fut,
        classify: impl Fn(&SdkError<E, HttpResponse>) -> ErrorClass,
    ) -> Result<Result<T, SdkError<E, HttpResponse>>, Fault>
    where
        E: Error + Send + Sync + 'static,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(response) => return Ok(Ok(response)),
                Err(error) => error,
            };
            if matches!(classify(&error), ErrorClass::Permanent) {
                return Ok(Err(error));
            }
            if !self.back_off(attempt).await {
                return Err(Fault::busy(error));
            }
            attempt += 1;
        }
    }

    /// Waits before the retry that follows this attempt, counted from 1. `false`: no attempt is
    /// left, or no time for one.
    pub(crate) async fn back_off(&self, attempt: u32) -> bool {
        let wait = (FIRST_WAIT * (1 << (attempt - 1))).mul_f64(rand::random());
        let is_late =
            self.deadline.is_some_and(|deadline| self.now().plus(wait + ATTEMPT_TIME) > deadline);
        if attempt >= ATTEMPTS || is_late {
            return false;
        }
        tracing::debug!(attempt, ?wait, "retrying a call");
        self.sleep.sleep(wait).await;
        true
    }

    /// Like [`Store::with_retries`], but a permanent error is [`Fault::Broken`].
    pub(crate) async fn send<T, E, Fut>(&self, call: impl Fn() -> Fut) -> Result<T, Fault>
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.with_retries(call, classify).await?.map_err(Fault::broken)
    }
}
