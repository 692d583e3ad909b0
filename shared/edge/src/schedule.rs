//! Schedules.

use crate::{Environment, Error, Invocation, Signal, problem, signal};
use domain::Timestamp;
use serde_json::{Value, json};

/// One invocation by a schedule.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// When it was received.
    pub now: Timestamp,
    /// By when the work must be done.
    pub deadline: Timestamp,
}

pub(crate) async fn tick<E, Fut>(
    function: &'static str,
    environment: Environment,
    invocation: Invocation,
    handle: impl FnOnce(Tick) -> Fut,
) -> Result<Value, Error>
where
    E: std::error::Error + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>>,
{
    let tick = Tick { now: environment.now(), deadline: invocation.deadline() };
    handle(tick).await.map_err(|error| {
        let request_id = invocation.request_id;
        tracing::error!(function, request_id, error = problem::chain(&error), "fault");
        signal(Signal::Fault);
        Error::from(error)
    })?;
    Ok(json!({}))
}
