//! What a function finds when it starts.

use aws_config::{BehaviorVersion, SdkConfig};
use domain::Timestamp;
use std::{collections::HashMap, sync::Arc, time::UNIX_EPOCH};

/// A function could not start: its environment is not what its template says. Lambda reports it and tries anew.
pub type NotStarted = Box<dyn std::error::Error + Send + Sync>;

/// The AWS configuration (credentials, endpoints, clock, sleep) and the environment variables of a function.
#[derive(Debug, Clone)]
pub struct Environment {
    /// How to call AWS. Its time source is the only clock there is.
    pub aws: SdkConfig,
    variables: Arc<HashMap<String, String>>,
}

impl Environment {
    /// An environment with these variables.
    pub fn new(aws: SdkConfig, variables: HashMap<String, String>) -> Self {
        Self { aws, variables: Arc::new(variables) }
    }

    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the process's environment is read")]
    pub(crate) async fn of_process() -> Self {
        let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Self::new(aws, std::env::vars().collect())
    }

    /// A variable, if it is set and not empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A variable that must be set.
    pub fn require(&self, name: &str) -> Result<String, NotStarted> {
        self.variable(name).ok_or_else(|| format!("the environment variable {name} is not set").into())
    }

    /// The time by the AWS configuration's clock.
    pub fn now(&self) -> Timestamp {
        let now = self.aws.time_source().map(|clock| clock.now());
        let since_epoch = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}
