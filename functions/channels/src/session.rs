//! Sessions with marketplace accounts: credentials, rate limits and backoff.

use domain::{ChannelId, Fault, NotStarted, Open, Refusal, Timestamp, Variables};
use edge::Environment;
use partners::{
    channels::{self, ChannelError, InvalidCredentials, KINDS, Kind},
    receiver::Reach,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use store::{
    Store,
    channels::Channel,
    vault::{Purpose, Vault},
};

/// Consecutive failures of a marketplace that a run tolerates. The next one ends the run.
const MAX_FAILURES: u32 = 5;

/// The maximum size of credentials, in bytes: KMS encrypts no more.
const LONGEST_CREDENTIALS: usize = 4_096;

/// The encryption context of a channel's credentials.
fn purpose(id: &ChannelId) -> Purpose<'_> {
    ("channel", id.as_str())
}

/// Validates credentials for a kind of channel. Returns the account that they belong to, if
/// channels of this kind have one.
pub(crate) fn checked(
    kind: &Kind,
    credentials: &Value,
    reach: Reach,
) -> Result<Option<String>, Refusal> {
    if credentials.to_string().len() > LONGEST_CREDENTIALS {
        return Err(Refusal::field(
            "credentials",
            format!("must not be over {LONGEST_CREDENTIALS} bytes"),
        ));
    }
    (kind.account)(credentials, reach)
        .map_err(|InvalidCredentials(why)| Refusal::field("credentials", why))
}

/// Encrypts the credentials of a channel.
pub(crate) async fn seal(
    vault: &Vault,
    id: &ChannelId,
    credentials: &Value,
) -> Result<String, Fault> {
    vault.seal(purpose(id), &credentials.to_string()).await
}

/// When the credentials of a channel expire, if they do.
pub(crate) fn expire_at(channel: &Channel) -> Option<Timestamp> {
    Some(channel.credentials_since.plus(channels::kind(&channel.kind)?.credentials_last?))
}

/// An open account, with the properties of its marketplace.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) kind: &'static Kind,
    pub(crate) channel: Arc<dyn channels::Channel>,
}

/// The accounts that this execution environment has opened. Each is opened once, so that its token
/// is reused.
#[derive(Clone)]
pub(crate) struct Accounts {
    vault: Vault,
    urls: Arc<BTreeMap<&'static str, String>>,
    reach: Reach,
    open: Arc<Mutex<HashMap<ChannelId, (String, Account)>>>,
}

impl Open<Environment> for Accounts {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let url = |kind: &&'static Kind| {
            let variable = kind.url_variable?;
            Some(env.require(variable).map(|url| (kind.name, url)))
        };
        let urls = KINDS.iter().filter_map(url).collect::<Result<_, _>>()?;
        let reach = Reach { allows_loopback: env.allows_loopback };
        Ok(Self { vault: env.open()?, urls: Arc::new(urls), reach, open: Arc::default() })
    }
}

impl Accounts {
    /// Returns the account of a channel. Opens it if it is not open, or if the credentials changed.
    pub(crate) async fn of(&self, channel: &Channel) -> Result<Account, Fault> {
        let known = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&channel.channel_id)
            .cloned();
        if let Some((_, account)) =
            known.filter(|(credentials, _)| *credentials == channel.credentials)
        {
            return Ok(account);
        }
        let kind = channels::kind(&channel.kind)
            .ok_or_else(|| Fault::broken("the kind of the channel is unknown"))?;
        let credentials =
            self.vault.unseal(purpose(&channel.channel_id), &channel.credentials).await?;
        let credentials: Value = serde_json::from_str(&credentials)
            .map_err(|_| Fault::broken("the decrypted credentials are not JSON"))?;
        let url = self.urls.get(kind.name).map(String::as_str).unwrap_or_default();
        let account = (kind.open)(url, &credentials, self.reach).map_err(Fault::broken)?;
        let account = Account { kind, channel: Arc::from(account) };
        let entry = (channel.credentials.clone(), account.clone());
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(channel.channel_id.clone(), entry);
        Ok(account)
    }
}

/// Why a step was not completed.
#[derive(Debug)]
pub(crate) enum StepError {
    /// The call failed, or the marketplace rejected it.
    Channel(ChannelError),
    /// The account's rate limiter permits no call for this long.
    Wait(Duration),
    /// An error on our side.
    Fault(Fault),
}

impl From<ChannelError> for StepError {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<Fault> for StepError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A channel with its open account.
pub(crate) struct Session<'a> {
    pub(crate) store: &'a Store,
    pub(crate) channel: &'a Channel,
    pub(crate) account: &'a Account,
    /// The latest time at which a call may start.
    pub(crate) last_call_at: Timestamp,
}

impl Session<'_> {
    /// Waits until the account's rate limiter permits a call. Fails with [`StepError::Wait`] if the
    /// wait would end after `last_call_at`.
    pub(crate) async fn acquire_call(&self) -> Result<(), StepError> {
        let permitted = self
            .store
            .channels()
            .acquire_call(
                &self.channel.rate_limit_key(),
                self.account.kind.call_interval(),
                self.last_call_at,
            )
            .await?;
        permitted.map_err(StepError::Wait)
    }

    /// Returns how long to wait before a failed call is retried, or `None` if a retry is useless or
    /// there were too many `failures` in a row. If the marketplace limited the rate or requested a
    /// pause, all calls of the account wait.
    pub(crate) async fn back_off(
        &self,
        error: &ChannelError,
        failures: u32,
    ) -> Result<Option<Duration>, Fault> {
        let wait = backoff(error, failures);
        if let (Some(wait), ChannelError::RateLimited | ChannelError::CoolingDown(_)) =
            (wait, error)
        {
            self.cool_down(wait).await?;
        }
        Ok(wait)
    }

    /// Blocks all calls of the account for as long as the marketplace requested.
    pub(crate) async fn cool_down(&self, pause: Duration) -> Result<(), Fault> {
        if pause.is_zero() {
            return Ok(());
        }
        self.store
            .channels()
            .back_off(&self.channel.rate_limit_key(), self.store.now().plus(pause))
            .await
    }
}

/// The wait before the retry after `failures` consecutive failures. `None` means no retry: the
/// error is permanent, or there were too many.
fn backoff(error: &ChannelError, failures: u32) -> Option<Duration> {
    let doubled = |first: Duration| first * 2_u32.pow(failures.saturating_sub(1).min(6));
    let wait = match error {
        ChannelError::Unauthorized(_) | ChannelError::Rejected(_) => None,
        ChannelError::CoolingDown(pause) => Some(*pause),
        ChannelError::RateLimited => Some(doubled(Duration::from_secs(2))),
        ChannelError::Unavailable(_) | ChannelError::TimedOut => {
            Some(doubled(Duration::from_secs(10)))
        }
    };
    wait.filter(|_| failures <= MAX_FAILURES)
}
