//! A platform: the template's resources, its functions, and the connections between them.

use crate::{
    Clock, Failure,
    aws::{Aws, data::Data},
    event_source_mapping::{EventSourceMapping, Poll, dead_letter_queues},
    http_api::HttpApi,
    partners::{self, Partners},
    runner::{NotHandled, Runner},
    spawn,
    template::Template,
};
use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// The polling interval of an empty stream.
const STREAM_PAUSE: Duration = Duration::from_millis(20);
/// The polling interval of an empty queue. A sent message wakes the poller at once.
const QUEUE_PAUSE: Duration = Duration::from_millis(200);
/// The first backoff after a failed stream batch. It doubles with each failure.
const FIRST_STUCK_BACKOFF: Duration = Duration::from_millis(200);
/// The longest backoff after a failed stream batch. With it, ten thousand attempts take longer
/// than a stream retains its records.
const LONGEST_STUCK_BACKOFF: Duration = Duration::from_secs(10);
/// The interval at which schedules are checked.
const SCHEDULE_PAUSE: Duration = Duration::from_millis(200);
/// The interval at which expired rows are removed.
const SWEEP_PAUSE: Duration = Duration::from_mins(1);

/// The settings of a platform.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file that stores the state. `None`: the state is in memory.
    pub data: Option<PathBuf>,
    /// Whether callers need a token, as in the deployed API.
    pub requires_tokens: bool,
    /// Template parameters that override the platform's own values.
    pub parameters: BTreeMap<String, String>,
    /// The clock. `None`: real time, plus the offset stored in the data file.
    pub clock: Option<Clock>,
    /// Whether the AWS calls of functions are recorded.
    pub records: bool,
    /// The URL at which programs on this machine reach the AWS services.
    pub endpoint: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: None,
            requires_tokens: false,
            parameters: BTreeMap::new(),
            clock: None,
            records: false,
            endpoint: "http://127.0.0.1:4566".into(),
        }
    }
}

/// A local platform, ready to serve.
#[derive(Debug)]
pub struct Platform {
    pub(crate) template: Template,
    pub(crate) clock: Clock,
    /// The AWS services.
    pub aws: Arc<Aws>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) http_api: HttpApi,
    pub(crate) partners: Partners,
    mappings: Vec<EventSourceMapping>,
    dead_letter_queues: Vec<String>,
}

impl Platform {
    /// Builds a platform from the template. Must run in a Tokio runtime, because the partner stubs
    /// start to listen here.
    pub async fn new(options: Options) -> Result<Arc<Self>, Failure> {
        // The data file stores the clock's offset, so it is opened before the clock is created.
        let tables = Template::own(&BTreeMap::new(), &options.endpoint)?.tables;
        let file_data =
            options.data.as_ref().map(|path| Data::in_file(path, &tables)).transpose()?;
        let offset =
            file_data.as_ref().map(|data| data.journal().clock()).transpose()?.unwrap_or_default();
        let clock = options.clock.unwrap_or_else(|| Clock::running(offset));
        let data = match file_data {
            Some(data) => data,
            None => Data::in_memory(&tables, clock.clone())?,
        };
        let partners = partners::start(&clock, data.journal()).await?;
        let mut parameters = local_parameters(&partners);
        parameters.extend(options.parameters);
        let template = Template::own(&parameters, &options.endpoint)?;
        let aws = Arc::new(Aws::new(&template, data, clock.clone(), options.records)?);
        let runner = Arc::new(Runner::new(&template, aws.clone(), clock.clone())?);
        let mappings = EventSourceMapping::all(&template, &aws, &runner, &clock)?;
        let http_api =
            HttpApi::new(&template, runner.clone(), clock.clone(), options.requires_tokens)?;
        let dead_letter_queues = dead_letter_queues(&template);
        Ok(Arc::new(Self {
            template,
            clock,
            aws,
            runner,
            http_api,
            partners,
            mappings,
            dead_letter_queues,
        }))
    }

    /// Handles an HTTP request as API Gateway and the function behind it would.
    pub async fn respond(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        self.http_api.respond(method, uri, headers, body).await
    }

    /// Invokes a function with its schedule's event now.
    pub(crate) async fn fire(&self, function: &str) -> Result<(), NotHandled> {
        let event = json!({ "version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "time": self.clock.now() });
        self.runner.invoke(function, event).await.map(drop)
    }

    /// Moves the clock forward, and stores the new offset if there is a data file.
    pub(crate) fn advance(&self, by: Duration) -> Result<(), Failure> {
        self.clock.advance(by);
        self.aws.data.journal().save_clock(self.clock.offset())?;
        self.aws.queues.changed.notify_waiters();
        Ok(())
    }

    /// Processes all streams and queues until none makes progress. A stuck one is tried only once.
    pub async fn settle(&self) {
        let mut stuck = vec![false; self.mappings.len()];
        loop {
            let mut has_moved = false;
            for (mapping, is_stuck) in self.mappings.iter().zip(&mut stuck) {
                while !*is_stuck {
                    match mapping.round().await {
                        Poll::Progress => has_moved = true,
                        Poll::Stalled => *is_stuck = true,
                        Poll::Idle => break,
                    }
                }
            }
            if !has_moved {
                return;
            }
        }
    }

    /// Lists what is not drained: streams with unprocessed records, and queues with visible or
    /// in-flight messages. Dead-letter queues do not count.
    pub(crate) fn busy(&self) -> Vec<String> {
        let mut busy: Vec<String> =
            self.mappings.iter().filter_map(EventSourceMapping::backlog).collect();
        for (name, (counts, _)) in self.aws.queues.counts() {
            if !self.dead_letter_queues.contains(&name) && counts.visible + counts.in_flight > 0 {
                busy.push(format!(
                    "{name}: {} visible, {} in flight",
                    counts.visible, counts.in_flight
                ));
            }
        }
        busy
    }

    /// Starts the background tasks: event source mappings, schedules, removal of expired rows.
    pub fn run(self: &Arc<Self>) {
        for index in 0..self.mappings.len() {
            spawn(self.clone().poll(index));
        }
        for spec in &self.template.functions {
            if let Some(schedule) = spec.schedule.filter(|schedule| schedule.is_enabled) {
                spawn(self.clone().run_schedule(spec.handler.clone(), schedule.period));
            }
        }
        spawn(self.clone().sweep_periodically());
    }

    /// Polls an event source forever.
    async fn poll(self: Arc<Self>, index: usize) {
        let mapping = &self.mappings[index];
        let mut backoff = FIRST_STUCK_BACKOFF;
        loop {
            let round = mapping.round().await;
            if round != Poll::Stalled {
                backoff = FIRST_STUCK_BACKOFF;
            }
            match round {
                Poll::Progress => {}
                Poll::Stalled => {
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(LONGEST_STUCK_BACKOFF);
                }
                Poll::Idle if matches!(mapping, EventSourceMapping::Stream(_)) => {
                    tokio::time::sleep(STREAM_PAUSE).await;
                }
                Poll::Idle => drop(
                    tokio::time::timeout(QUEUE_PAUSE, self.aws.queues.changed.notified()).await,
                ),
            }
        }
    }

    /// Invokes a scheduled function once per period of the platform's clock, forever.
    async fn run_schedule(self: Arc<Self>, function: String, period: Duration) {
        let mut due = self.clock.now().plus(period);
        loop {
            tokio::time::sleep(SCHEDULE_PAUSE).await;
            let now = self.clock.now();
            if now < due {
                continue;
            }
            due = now.plus(period);
            if let Err(error) = self.fire(&function).await {
                tracing::warn!(%error, "a scheduled invocation failed");
            }
        }
    }

    /// Removes expired rows at a fixed interval, forever.
    async fn sweep_periodically(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_PAUSE).await;
            self.aws.data.sweep();
        }
    }
}

/// The values of the template's parameters for a local platform: the token issuer, the senders, and
/// the URLs and credentials of the partner stubs.
fn local_parameters(partners: &Partners) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::from([
        ("JwtIssuer".to_owned(), "https://jumun.localhost".to_owned()),
        ("JwtAudience".to_owned(), "jumun".to_owned()),
        ("SenderNumber".to_owned(), "0212345678".to_owned()),
        ("SolapiPfId".to_owned(), "KA01PFLOCAL".to_owned()),
        ("NhnCloudSenderKey".to_owned(), "0123456789abcdef0123456789abcdef01234567".to_owned()),
    ]);
    for (partner, urls, secrets) in [
        ("data-platform", &["DataPlatformUrl"][..], &[("DataPlatformSecret", "")][..]),
        ("tms", &["TmsUrl"], &[("TmsSecret", "")]),
        ("tason", &["TasOnUrl"], &[("TasOnSecret", "")]),
        ("payment-gateway", &["PaymentGatewayUrl"], &[("PaymentGatewaySecretKey", "")]),
        ("coupang", &["CoupangUrl"], &[]),
        ("smartstore", &["SmartstoreUrl"], &[]),
        ("solapi", &["SolapiUrl"], &[("SolapiApiKey", "apiKey"), ("SolapiApiSecret", "apiSecret")]),
        (
            "nhn-cloud",
            &["NhnCloudAlimtalkUrl", "NhnCloudSmsUrl"],
            &[
                ("NhnCloudAlimtalkAppKey", "appKey"),
                ("NhnCloudAlimtalkSecretKey", "secretKey"),
                ("NhnCloudSmsAppKey", "appKey"),
                ("NhnCloudSmsSecretKey", "secretKey"),
            ],
        ),
    ] {
        let Some(partner) = partners.get(partner) else { continue };
        for url in urls {
            parameters.insert((*url).to_owned(), partner.base_url.clone());
        }
        for (parameter, credential) in secrets {
            let secret = partner.credentials[credential].as_str().unwrap_or(&partner.secret);
            parameters.insert((*parameter).to_owned(), secret.to_owned());
        }
    }
    parameters
}
