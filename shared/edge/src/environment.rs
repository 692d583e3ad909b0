//! The environment of a function: AWS configuration and variables.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::{SharedTimeSource, SystemTimeSource},
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::{SdkConfig, region::Region};
use domain::{NotStarted, Open, Timestamp, Variables};
use std::{collections::HashMap, sync::Arc, time::UNIX_EPOCH};

/// The AWS configuration (credentials, endpoints, clock, sleep) and the environment variables of a
/// function.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The configuration of AWS clients. Its time source is the only clock.
    pub aws: SdkConfig,
    /// Whether partners may be on loopback, without TLS. Only the local platform sets it.
    pub allows_loopback: bool,
    variables: Arc<HashMap<String, String>>,
}

impl Environment {
    /// An environment with these variables.
    pub fn new(aws: SdkConfig, variables: HashMap<String, String>) -> Self {
        Self { aws, allows_loopback: false, variables: Arc::new(variables) }
    }

    /// The environment of this process. Lambda sets region and credentials as variables and
    /// replaces the process before they expire. `AWS_ENDPOINT_URL` replaces the endpoints, as in
    /// every AWS SDK.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the process's environment is read"
    )]
    pub(crate) fn of_process() -> Result<Self, NotStarted> {
        let mut environment = Self::new(SdkConfig::builder().build(), std::env::vars().collect());
        let credentials = Credentials::new(
            environment.require("AWS_ACCESS_KEY_ID")?,
            environment.require("AWS_SECRET_ACCESS_KEY")?,
            environment.variable("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let mut aws = SdkConfig::builder();
        aws.set_endpoint_url(environment.variable("AWS_ENDPOINT_URL"));
        environment.aws = aws
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(environment.require("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
            .build();
        Ok(environment)
    }

    /// Opens a client or settings from this environment.
    pub fn open<T: Open<Self>>(&self) -> Result<T, NotStarted> {
        T::open(self)
    }

    /// The time by the AWS configuration's clock.
    pub fn now(&self) -> Timestamp {
        let now = self.aws.time_source().map(|clock| clock.now());
        let since_epoch =
            now.and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Variables for Environment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

impl AsRef<SdkConfig> for Environment {
    fn as_ref(&self) -> &SdkConfig {
        &self.aws
    }
}
