//! Functions: how one starts, and how it handles an invocation.

use crate::{
    Environment, Message, Request, Response, Route, Tick,
    http_event::{self, RequestHandler},
    queue, schedule,
    signal::{self, EmbeddedMetrics},
    stream::{self, Change, Failed},
};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use domain::{Failure, NotStarted, Open, Timestamp, Variables};
use futures::future::BoxFuture;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, value::RawValue};
use std::{fmt, sync::Arc, time::Duration};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// An invocation failed as a whole. Lambda delivers the event again if its source is configured so.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The time reserved before Lambda's deadline for sending the response.
const RESPONSE_TIME: Duration = Duration::from_millis(200);

/// One invocation of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The event as Lambda's JSON.
    pub event: Box<RawValue>,
    /// Lambda's id of the invocation.
    pub request_id: String,
    /// When Lambda will stop the function.
    pub deadline: Timestamp,
}

impl Invocation {
    /// By when the work must be done.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.deadline.minus(RESPONSE_TIME)
    }
}

/// A started function: Lambda's JSON in, Lambda's JSON out.
pub type Handler =
    Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Value, Error>> + Send + Sync>;

/// A function that can be started.
pub struct Function {
    /// Its name: the same for file, handler, sample event and row in the table of functions.
    pub name: &'static str,
    /// Its routes, all for the same roles. Empty if it is not invoked over HTTP.
    pub routes: &'static [Route],
    start: Box<dyn Fn(Environment) -> Result<Handler, NotStarted> + Send + Sync>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Function {
    /// A function with routes, each as [`Route::served`].
    pub fn http<S, Fut>(
        name: &'static str,
        routes: &'static [Route],
        handle: impl Fn(S, Request) -> Fut + Copy + Send + Sync + 'static,
    ) -> Self
    where
        S: Open<Environment> + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, Failure>> + Send + 'static,
    {
        Self::new(name, routes, move |resources: S, environment, invocation| {
            let handle: RequestHandler =
                Arc::new(move |request| Box::pin(handle(resources.clone(), request)));
            http_event::serve(name, routes, environment, invocation, handle)
        })
    }

    /// A function that consumes a queue. The messages of a batch are handled concurrently, each by
    /// itself.
    pub fn queue<S, E, Fut>(
        name: &'static str,
        handle: impl Fn(S, Message) -> Fut + Copy + Send + Sync + 'static,
    ) -> Self
    where
        S: Open<Environment> + Clone + Send + Sync + 'static,
        E: std::error::Error + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        Self::new(name, &[], move |resources: S, environment, invocation| {
            queue::each(name, environment, invocation, move |message| {
                handle(resources.clone(), message)
            })
        })
    }

    /// A function that consumes a table's stream, in order, batch by batch.
    pub fn stream<S, Fut>(
        name: &'static str,
        handle: impl Fn(S, Vec<Change>, Timestamp) -> Fut + Copy + Send + Sync + 'static,
    ) -> Self
    where
        S: Open<Environment> + Clone + Send + Sync + 'static,
        Fut: Future<Output = Vec<Failed>> + Send + 'static,
    {
        Self::new(name, &[], move |resources: S, _, invocation| {
            stream::batch(name, invocation, move |changes, deadline| {
                handle(resources, changes, deadline)
            })
        })
    }

    /// A function that a schedule invokes.
    pub fn schedule<S, E, Fut>(
        name: &'static str,
        handle: impl Fn(S, Tick) -> Fut + Copy + Send + Sync + 'static,
    ) -> Self
    where
        S: Open<Environment> + Clone + Send + Sync + 'static,
        E: std::error::Error + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        Self::new(name, &[], move |resources: S, environment, invocation| {
            schedule::tick(name, environment, invocation, move |tick| handle(resources, tick))
        })
    }

    fn new<S, Fut>(
        name: &'static str,
        routes: &'static [Route],
        handle: impl Fn(S, Environment, Invocation) -> Fut + Copy + Send + Sync + 'static,
    ) -> Self
    where
        S: Open<Environment> + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Error>> + Send + 'static,
    {
        let start = move |environment: Environment| -> Result<Handler, NotStarted> {
            let resources: S = environment.open()?;
            Ok(Arc::new(move |invocation| {
                Box::pin(handle(resources.clone(), environment.clone(), invocation))
            }))
        };
        Self { name, routes, start: Box::new(start) }
    }

    /// Opens the function's resources, once per environment.
    pub fn start(&self, environment: Environment) -> Result<Handler, NotStarted> {
        (self.start)(environment)
    }
}

/// Serves one of these functions to the Lambda runtime until the environment ends. `_HANDLER`,
/// which Lambda sets to the `Handler` of the template, names the function.
pub fn run(functions: &[Function]) -> Result<(), Error> {
    let environment = Environment::of_process();
    // RUST_LOG as `info` or `debug,store=trace`; without regular expressions, which would enlarge
    // the binary.
    let directives =
        environment.as_ref().ok().and_then(|environment| environment.variable("RUST_LOG"));
    let filter = directives.and_then(|directives| directives.parse().ok());
    let filter: Targets = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let filter = filter.with_target(signal::TARGET, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false).without_time();
    let namespace =
        environment.as_ref().ok().and_then(|environment| environment.variable("METRICS_NAMESPACE"));
    let metrics = namespace.map(|namespace| EmbeddedMetrics {
        namespace,
        time: SharedTimeSource::new(SystemTimeSource::new()),
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(metrics).init();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let environment = environment?;
        let function = named(functions, &environment.require("_HANDLER")?)?;
        let handler = function.start(environment)?;
        let serve = service_fn(|LambdaEvent { payload, context }: LambdaEvent<Box<RawValue>>| {
            let deadline =
                Timestamp::from_millis(i64::try_from(context.deadline).unwrap_or(i64::MAX));
            handler(Invocation { event: payload, request_id: context.request_id, deadline })
        });
        lambda_runtime::run(serve).await
    })
}

/// The function of this name.
fn named<'a>(functions: &'a [Function], name: &str) -> Result<&'a Function, Error> {
    functions.iter().find(|function| function.name == name).ok_or_else(|| {
        let names: Vec<&str> = functions.iter().map(|function| function.name).collect();
        format!("this binary has no handler `{name}`; its handlers are {}", names.join(", ")).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_handler_is_refused_with_the_names_that_exist() {
        let function = |name| Function::schedule(name, |(), _| async { Ok::<_, fmt::Error>(()) });
        let functions = [function("place-order"), function("get-order")];
        assert_eq!(named(&functions, "get-order").unwrap().name, "get-order");
        let error = named(&functions, "bootstrap").unwrap_err().to_string();
        assert_eq!(
            error,
            "this binary has no handler `bootstrap`; its handlers are place-order, get-order"
        );
    }
}
