//! A platform: the template's resources, the functions, and what connects them.

use crate::{
    Clock, Failure,
    aws::{Aws, data::Data},
    event_source_mapping::{EventSourceMapping, Round, dead_letter_queues},
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

/// How often a stream is looked at when it was empty.
const STREAM_PAUSE: Duration = Duration::from_millis(20);
/// How often a queue is looked at when nothing was sent.
const QUEUE_PAUSE: Duration = Duration::from_millis(200);
/// How long a batch of changes that failed waits at first; it doubles with each failure.
const FIRST_STUCK_BACKOFF: Duration = Duration::from_millis(200);
/// How long it waits at the most: ten thousand tries take longer than a stream remembers.
const LONGEST_STUCK_BACKOFF: Duration = Duration::from_secs(10);
/// How often schedules are looked at.
const SCHEDULE_PAUSE: Duration = Duration::from_millis(200);
/// How often expired rows are removed.
const SWEEP_PAUSE: Duration = Duration::from_mins(1);

/// How a platform is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file that keeps the state; memory if there is none.
    pub data: Option<PathBuf>,
    /// Whether callers need a token, as they do where this is deployed.
    pub asks_for_tokens: bool,
    /// Parameters of the template that are not as the platform would have them.
    pub parameters: BTreeMap<String, String>,
    /// The clock; real time if there is none.
    pub clock: Option<Clock>,
    /// Whether AWS calls are remembered.
    pub records: bool,
    /// Where programs on this machine find the AWS services.
    pub endpoint: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: None,
            asks_for_tokens: false,
            parameters: BTreeMap::new(),
            clock: None,
            records: false,
            endpoint: "http://127.0.0.1:4566".into(),
        }
    }
}

/// A platform that can serve.
#[derive(Debug)]
pub struct Platform {
    pub(crate) template: Template,
    pub(crate) clock: Clock,
    /// The AWS services.
    pub aws: Arc<Aws>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) front: HttpApi,
    pub(crate) partners: Partners,
    feedings: Vec<EventSourceMapping>,
    dead_letter_queues: Vec<String>,
}

impl Platform {
    /// Builds a platform from the template. It needs a Tokio runtime: the partners' stubs listen at once.
    pub async fn new(options: Options) -> Result<Arc<Self>, Failure> {
        // A data file knows how far its clock was advanced; it must be open before there is a clock.
        let tables = Template::own(&BTreeMap::new(), &options.endpoint)?.tables;
        let kept = options.data.as_ref().map(|path| Data::in_file(path, &tables)).transpose()?;
        let offset = kept.as_ref().map(|data| data.journal().clock()).transpose()?.unwrap_or_default();
        let clock = options.clock.unwrap_or_else(|| Clock::running(offset));
        let data = match kept {
            Some(data) => data,
            None => Data::in_memory(&tables, clock.clone())?,
        };
        let partners = partners::start(&clock, data.journal()).await?;
        let mut parameters = local_parameters(&partners);
        parameters.extend(options.parameters);
        let template = Template::own(&parameters, &options.endpoint)?;
        let aws = Arc::new(Aws::new(&template, data, clock.clone(), options.records)?);
        let runner = Arc::new(Runner::new(&template, aws.clone(), clock.clone())?);
        let feedings = EventSourceMapping::all(&template, &aws, &runner, &clock)?;
        let front = HttpApi::new(&template, runner.clone(), clock.clone(), options.asks_for_tokens)?;
        let dead_letter_queues = dead_letter_queues(&template);
        Ok(Arc::new(Self { template, clock, aws, runner, front, partners, feedings, dead_letter_queues }))
    }

    /// Answers an HTTP request as API Gateway and the function behind it would.
    pub async fn answer(&self, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
        self.front.answer(method, uri, headers, body).await
    }

    /// Fires a schedule now.
    pub(crate) async fn fire(&self, function: &str) -> Result<(), NotHandled> {
        let event = json!({ "version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "time": self.clock.now() });
        self.runner.invoke(function, event).await.map(drop)
    }

    /// Moves the clock forward, and keeps that if there is a data file.
    pub(crate) fn advance(&self, by: Duration) -> Result<(), Failure> {
        self.clock.advance(by);
        self.aws.data.journal().keep_clock(self.clock.offset())?;
        self.aws.queues.changed.notify_waiters();
        Ok(())
    }

    /// Brings everything that waits in streams and queues to its function, until nothing moves. What is stuck is tried
    /// once.
    pub async fn settle(&self) {
        let mut stuck = vec![false; self.feedings.len()];
        loop {
            let mut has_moved = false;
            for (feeding, is_stuck) in self.feedings.iter().zip(&mut stuck) {
                while !*is_stuck {
                    match feeding.round().await {
                        Round::Moved => has_moved = true,
                        Round::Stuck => *is_stuck = true,
                        Round::Idle => break,
                    }
                }
            }
            if !has_moved {
                return;
            }
        }
    }

    /// What still waits: streams that are not drained, queues with messages visible or in flight.
    pub(crate) fn busy(&self) -> Vec<String> {
        let mut busy: Vec<String> = self.feedings.iter().filter_map(EventSourceMapping::backlog).collect();
        for (name, (counts, _)) in self.aws.queues.counts() {
            if !self.dead_letter_queues.contains(&name) && counts.visible + counts.in_flight > 0 {
                busy.push(format!("{name}: {} visible, {} in flight", counts.visible, counts.in_flight));
            }
        }
        busy
    }

    /// Feeds functions, fires schedules and removes expired rows, from now on.
    pub fn run(self: &Arc<Self>) {
        for place in 0..self.feedings.len() {
            spawn(self.clone().feed(place));
        }
        for spec in &self.template.functions {
            if let Some(schedule) = spec.schedule.filter(|schedule| schedule.is_enabled) {
                spawn(self.clone().keep_schedule(spec.handler.clone(), schedule.period));
            }
        }
        spawn(self.clone().keep_sweeping());
    }

    async fn feed(self: Arc<Self>, place: usize) {
        let feeding = &self.feedings[place];
        let mut stuck_pause = FIRST_STUCK_BACKOFF;
        loop {
            let round = feeding.round().await;
            if round != Round::Stuck {
                stuck_pause = FIRST_STUCK_BACKOFF;
            }
            match round {
                Round::Moved => {}
                Round::Stuck => {
                    tokio::time::sleep(stuck_pause).await;
                    stuck_pause = (stuck_pause * 2).min(LONGEST_STUCK_BACKOFF);
                }
                Round::Idle if matches!(feeding, EventSourceMapping::Stream(_)) => {
                    tokio::time::sleep(STREAM_PAUSE).await;
                }
                Round::Idle => drop(tokio::time::timeout(QUEUE_PAUSE, self.aws.queues.changed.notified()).await),
            }
        }
    }

    async fn keep_schedule(self: Arc<Self>, function: String, period: Duration) {
        let mut due = self.clock.now().plus(period);
        loop {
            tokio::time::sleep(SCHEDULE_PAUSE).await;
            let now = self.clock.now();
            if now < due {
                continue;
            }
            due = now.plus(period);
            if let Err(error) = self.fire(&function).await {
                tracing::warn!(%error, "a schedule was not kept");
            }
        }
    }

    async fn keep_sweeping(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_PAUSE).await;
            self.aws.data.sweep();
        }
    }
}

/// The template's parameters as they are here.
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
