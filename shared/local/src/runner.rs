//! The functions: started on their first event, as Lambda does, and called with Lambda's JSON.

use crate::{
    aws::{Aws, Connector, Principal},
    clock::Clock,
    lineage::Lineage,
    template::{FunctionSpec, REGION, Template},
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::SharedAsyncSleep, time::SharedTimeSource};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::{SdkConfig, region::Region};
use edge::{Environment, Function, Handler, Invocation};
use futures::FutureExt;
use serde_json::{Value, value::to_raw_value};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Every binary with its functions.
pub fn binaries() -> [(&'static str, Vec<Function>); 14] {
    [
        ("points", points::functions()),
        ("products", products::functions()),
        ("orders", orders::functions()),
        ("carts", carts::functions()),
        ("coupons", coupons::functions()),
        ("customers", customers::functions()),
        ("fulfilment", fulfilment::functions()),
        ("notifications", notifications::functions()),
        ("campaigns", campaigns::functions()),
        ("channels", channels::functions()),
        ("integration", integration::functions()),
        ("outbound", outbound::functions()),
        ("rankings", rankings::functions()),
        ("admin", admin::functions()),
    ]
}

/// Every function of the platform.
pub fn all_functions() -> Vec<Function> {
    binaries().into_iter().flat_map(|(_, functions)| functions).collect()
}

/// The functions of a platform.
#[derive(Debug)]
pub(crate) struct Runner {
    aws: Arc<Aws>,
    clock: Clock,
    endpoint: String,
    functions: BTreeMap<&'static str, (Function, FunctionSpec)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    warm: BTreeMap<String, Handler>,
    off: BTreeSet<String>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("off", &self.off).finish_non_exhaustive()
    }
}

/// Why a function did not handle an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotHandled {
    #[error("there is no function {0}")]
    Unknown(String),
    #[error("{0} is switched off")]
    Off(String),
    #[error("{function} could not start")]
    NotStarted { function: String, source: domain::NotStarted },
    #[error("{function} failed: {source}")]
    Failed { function: String, source: edge::Error },
    #[error("{0} panicked")]
    Panicked(String),
    #[error("{function} took longer than {limit:?}")]
    TooLong { function: String, limit: Duration },
}

impl Runner {
    /// Pairs the functions with what the template says of them: each must have its other half.
    pub(crate) fn new(template: &Template, aws: Arc<Aws>, clock: Clock) -> Result<Self, String> {
        let mut specs: BTreeMap<&str, &FunctionSpec> =
            template.functions.iter().map(|spec| (spec.handler.as_str(), spec)).collect();
        let mut functions = BTreeMap::new();
        let all = binaries()
            .into_iter()
            .flat_map(|(binary, all)| all.into_iter().map(move |one| (binary, one)));
        for (binary, function) in all {
            let spec = specs
                .remove(function.name)
                .ok_or_else(|| format!("the template has no function {}", function.name))?;
            if spec.binary != binary {
                return Err(format!("the binary {} has no handler {}", spec.binary, function.name));
            }
            if let Some(lack) = crate::aws::lacks(spec) {
                return Err(lack);
            }
            functions.insert(function.name, (function, spec.clone()));
        }
        match specs.keys().next() {
            Some(unknown) => {
                Err(format!("the template has a function {unknown} that does not exist"))
            }
            None => Ok(Self {
                aws,
                clock,
                endpoint: template.endpoint.clone(),
                functions,
                state: Mutex::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.functions.keys().copied()
    }

    pub(crate) fn spec(&self, name: &str) -> Option<&FunctionSpec> {
        self.functions.get(name).map(|(_, spec)| spec)
    }

    /// Switches a function on or off. Returns whether the function exists.
    pub(crate) fn enable(&self, name: &str, enabled: bool) -> bool {
        let mut state = self.state();
        if enabled {
            state.off.remove(name);
        } else {
            state.off.insert(name.to_owned());
        }
        self.functions.contains_key(name)
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        !self.state().off.contains(name)
    }

    /// Lets every environment go: the next event of each function is its first.
    pub(crate) fn cool_down(&self) {
        self.state().warm.clear();
    }

    /// Calls a function with an event that begins a chain.
    pub(crate) async fn invoke(&self, name: &str, event: Value) -> Result<Value, NotHandled> {
        self.invoke_after(&Lineage::default(), name, event).await
    }

    /// Calls a function with an event that has come through others.
    pub(crate) async fn invoke_after(
        &self,
        lineage: &Lineage,
        name: &str,
        event: Value,
    ) -> Result<Value, NotHandled> {
        let (function, spec) =
            self.functions.get(name).ok_or_else(|| NotHandled::Unknown(name.to_owned()))?;
        let named = || name.to_owned();
        if !self.is_on(name) {
            return Err(NotHandled::Off(named()));
        }
        let handler = self
            .warm(function, spec)
            .map_err(|source| NotHandled::NotStarted { function: named(), source })?;
        // A function gets JSON, as Lambda gives it.
        let event = to_raw_value(&event)
            .map_err(|error| NotHandled::Failed { function: named(), source: error.into() })?;
        let invocation = Invocation {
            event,
            request_id: ulid::Ulid::from_parts(0, rand::random()).to_string(),
            deadline: self.clock.now().plus(spec.timeout),
        };
        let work = AssertUnwindSafe(async { handler(invocation).await }).catch_unwind();
        match lineage.call(name, tokio::time::timeout(spec.timeout, work)).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(source))) => Err(NotHandled::Failed { function: named(), source }),
            Ok(Err(_)) => Err(NotHandled::Panicked(named())),
            Err(_) => Err(NotHandled::TooLong { function: named(), limit: spec.timeout }),
        }
    }

    fn warm(
        &self,
        function: &Function,
        spec: &FunctionSpec,
    ) -> Result<Handler, domain::NotStarted> {
        let mut state = self.state();
        if let Some(handler) = state.warm.get(function.name) {
            return Ok(handler.clone());
        }
        let handler = function.start(self.environment(spec))?;
        state.warm.insert(function.name.to_owned(), handler.clone());
        Ok(handler)
    }

    fn environment(&self, spec: &FunctionSpec) -> Environment {
        let statements = Some(Arc::new(spec.statements.clone()));
        let principal = Principal { function: spec.handler.clone(), statements };
        let aws = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "local", "local", None, None, "local",
            )))
            .http_client(Connector { aws: self.aws.clone(), principal })
            .time_source(SharedTimeSource::new(self.clock.clone()))
            .sleep_impl(SharedAsyncSleep::new(self.clock.clone()))
            .build();
        let mut environment = Environment::new(aws, spec.environment.clone().into_iter().collect());
        // The partners' stubs are on this machine.
        environment.allows_loopback = true;
        environment
    }
}
