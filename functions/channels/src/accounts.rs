//! Accounts with marketplaces, opened with their secrets.

use domain::{ChannelId, Fault, Timestamp};
use edge::{Environment, NotStarted, Rejected};
use partners::channels::{self, InvalidCredentials, KINDS, Kind};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use store::{
    channels::Channel,
    vault::{Purpose, Vault},
};

/// KMS seals no more than this, in bytes.
const LONGEST_CREDENTIALS: usize = 4_096;

/// What credentials are sealed for.
fn purpose(id: &ChannelId) -> Purpose<'_> {
    ("channel", id.as_str())
}

/// Credentials that may be those of a kind of channel, and the account that they are of.
pub(crate) fn checked(kind: &Kind, credentials: &Value) -> Result<Option<String>, Rejected> {
    if credentials.to_string().len() > LONGEST_CREDENTIALS {
        return Err(Rejected::field("credentials", format!("must not be over {LONGEST_CREDENTIALS} bytes")));
    }
    (kind.account)(credentials).map_err(|InvalidCredentials(why)| Rejected::field("credentials", why))
}

/// Seals the credentials of a channel.
pub(crate) async fn seal(vault: &Vault, id: &ChannelId, credentials: &Value) -> Result<String, Fault> {
    vault.seal(purpose(id), &credentials.to_string()).await
}

/// When the credentials of a channel expire, if they do.
pub(crate) fn expire_at(channel: &Channel) -> Option<Timestamp> {
    Some(channel.credentials_since.plus(channels::kind(&channel.kind)?.credentials_last?))
}

/// The vault in which credentials are sealed.
pub(crate) fn open_vault(env: &Environment) -> Result<Vault, NotStarted> {
    Ok(Vault::open(&env.aws, env.require("SECRETS_KEY")?))
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
    open: Arc<Mutex<HashMap<ChannelId, (String, Account)>>>,
}

impl Accounts {
    pub(crate) fn open(env: &Environment) -> Result<Self, NotStarted> {
        let url = |kind: &&'static Kind| {
            let variable = kind.url_variable?;
            Some(env.require(variable).map(|url| (kind.name, url)))
        };
        let urls = KINDS.iter().filter_map(url).collect::<Result<_, _>>()?;
        Ok(Self { vault: open_vault(env)?, urls: Arc::new(urls), open: Arc::default() })
    }

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
        let account = (kind.open)(url, &credentials).map_err(Fault::broken)?;
        let account = Account { kind, channel: Arc::from(account) };
        let entry = (channel.credentials.clone(), account.clone());
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.channel_id.clone(), entry);
        Ok(account)
    }
}
