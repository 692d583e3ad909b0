//! Accounts with marketplaces: opened with their secrets, called in turn, and left alone when they want to be.

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

/// How often in a row a marketplace may be in trouble before a run is given up.
const MAX_TROUBLES: u32 = 5;

/// KMS seals no more than this, in bytes.
const LONGEST_CREDENTIALS: usize = 4_096;

/// What credentials are sealed for.
fn purpose(id: &ChannelId) -> Purpose<'_> {
    ("channel", id.as_str())
}

/// Credentials that may be those of a kind of channel, and the account that they are of.
pub(crate) fn checked(kind: &Kind, credentials: &Value, reach: Reach) -> Result<Option<String>, Refusal> {
    if credentials.to_string().len() > LONGEST_CREDENTIALS {
        return Err(Refusal::field("credentials", format!("must not be over {LONGEST_CREDENTIALS} bytes")));
    }
    (kind.account)(credentials, reach).map_err(|InvalidCredentials(why)| Refusal::field("credentials", why))
}

/// Seals the credentials of a channel.
pub(crate) async fn seal(vault: &Vault, id: &ChannelId, credentials: &Value) -> Result<String, Fault> {
    vault.seal(purpose(id), &credentials.to_string()).await
}

/// When the credentials of a channel expire, if they do.
pub(crate) fn expire_at(channel: &Channel) -> Option<Timestamp> {
    Some(channel.credentials_since.plus(channels::kind(&channel.kind)?.credentials_last?))
}

/// An account that is open, and what is true of its marketplace.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) kind: &'static Kind,
    pub(crate) channel: Arc<dyn channels::Channel>,
}

/// The accounts of an environment: each is opened once, so that it keeps its token.
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
    /// The account of a channel.
    pub(crate) async fn of(&self, channel: &Channel) -> Result<Account, Fault> {
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&channel.channel_id).cloned();
        if let Some((_, account)) = known.filter(|(credentials, _)| *credentials == channel.credentials) {
            return Ok(account);
        }
        let kind = channels::kind(&channel.kind).ok_or_else(|| Fault::broken("there is no such kind of channel"))?;
        let credentials = self.vault.unseal(purpose(&channel.channel_id), &channel.credentials).await?;
        let credentials: Value = serde_json::from_str(&credentials)
            .map_err(|_| Fault::broken("what was sealed as credentials is not JSON"))?;
        let url = self.urls.get(kind.name).map(String::as_str).unwrap_or_default();
        let account = (kind.open)(url, &credentials, self.reach).map_err(Fault::broken)?;
        let account = Account { kind, channel: Arc::from(account) };
        let entry = (channel.credentials.clone(), account.clone());
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.channel_id.clone(), entry);
        Ok(account)
    }
}

/// Why a step is not taken, or not to its end.
#[derive(Debug)]
pub(crate) enum StepError {
    /// The marketplace is in trouble, or will not have it.
    Channel(ChannelError),
    /// It is not the account's turn for so long.
    Wait(Duration),
    /// The machinery failed.
    Fault(Fault),
}

impl From<ChannelError> for StepError {
    fn from(trouble: ChannelError) -> Self {
        Self::Channel(trouble)
    }
}

impl From<Fault> for StepError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A channel whose account is open.
pub(crate) struct Session<'a> {
    pub(crate) store: &'a Store,
    pub(crate) channel: &'a Channel,
    pub(crate) account: &'a Account,
    /// Until when a call may begin.
    pub(crate) patience: Timestamp,
}

impl Session<'_> {
    /// Waits for the account's turn.
    pub(crate) async fn turn(&self) -> Result<(), StepError> {
        let turn =
            self.store.channels().take_turn(&self.channel.paced_by(), self.account.kind.apart(), self.patience).await?;
        turn.map_err(StepError::Wait)
    }

    /// Leaves the account alone, if that is what the marketplace wants; tells how long to wait before it is asked again, if that is
    /// not in vain after so many times.
    pub(crate) async fn heed(&self, trouble: &ChannelError, times: u32) -> Result<Option<Duration>, Fault> {
        let wait = wait_for(trouble, times);
        if let (Some(wait), ChannelError::RateLimited | ChannelError::CoolingDown(_)) = (wait, trouble) {
            self.rest(wait).await?;
        }
        Ok(wait)
    }

    /// Leaves the account alone for as long as the marketplace asked for.
    pub(crate) async fn rest(&self, rest: Duration) -> Result<(), Fault> {
        if rest.is_zero() {
            return Ok(());
        }
        self.store.channels().back_off(&self.channel.paced_by(), self.store.now().plus(rest)).await
    }
}

/// How long to wait before a marketplace that was in trouble so often in a row is asked again; none, if it is in vain.
fn wait_for(trouble: &ChannelError, troubles: u32) -> Option<Duration> {
    let doubled = |first: Duration| first * 2_u32.pow(troubles.saturating_sub(1).min(6));
    let wait = match trouble {
        ChannelError::Unauthorized(_) | ChannelError::Rejected(_) => None,
        ChannelError::CoolingDown(rest) => Some(*rest),
        ChannelError::RateLimited => Some(doubled(Duration::from_secs(2))),
        ChannelError::Unavailable(_) | ChannelError::TimedOut => Some(doubled(Duration::from_secs(10))),
    };
    wait.filter(|_| troubles <= MAX_TROUBLES)
}
