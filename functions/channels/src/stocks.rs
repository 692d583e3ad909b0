//! How marketplaces are told how many units of a product there are. A stock is told as it is, and not by how much it changed, so it
//! does not matter how often, and looked at again afterwards, so it does not matter if it changed in between.

use crate::accounts::Account;
use domain::{ChannelId, Fault, ProductId, Timestamp};
use edge::Pacer;
use partners::channels::Trouble;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};
use store::{Store, channel_products::Mapping, channels::Channel};

/// How often a stock is told anew when it changed while it was told.
const ROUNDS: usize = 4;

/// How often in a row a marketplace may be in trouble before a run is given up.
pub(crate) const MOST_TROUBLES: u32 = 5;

/// That a channel is to be told of a stock, as the queue is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DueStock {
    pub(crate) channel_id: ChannelId,
    pub(crate) external_id: ProductId,
    /// How often it failed.
    #[serde(default)]
    pub(crate) failed: u32,
}

/// Why a step is not taken, or not to its end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The marketplace is in trouble, or will not have it.
    Trouble(Trouble),
    /// It is not the account's turn for so long.
    Wait(Duration),
    /// The machinery failed.
    Fault(Fault),
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A channel whose account is open.
pub(crate) struct Open<'a> {
    pub(crate) store: &'a Store,
    pub(crate) channel: &'a Channel,
    pub(crate) account: &'a Account,
    /// Until when a call may begin.
    pub(crate) patience: Timestamp,
}

impl Open<'_> {
    /// Waits for the account's turn.
    pub(crate) async fn turn(&self) -> Result<(), Halt> {
        let turn = self.store.take_turn(&self.channel.paced_by(), self.account.kind.apart(), self.patience).await?;
        turn.map_err(Halt::Wait)
    }

    /// Leaves the account alone, if that is what the marketplace wants; tells how long to wait before it is asked again, if that is
    /// not in vain after so many times.
    pub(crate) async fn heed(&self, trouble: &Trouble, times: u32) -> Result<Option<Duration>, Fault> {
        let wait = wait_for(trouble, times);
        if let (Some(wait), Trouble::TooOften | Trouble::LeftAlone(_)) = (wait, trouble) {
            self.store.rest_until(&self.channel.paced_by(), self.store.now().plus(wait)).await?;
        }
        Ok(wait)
    }

    /// Makes sure that the marketplace has the stock of a mapped product, or tells it anyway; says how often it was told.
    pub(crate) async fn tell(&self, mapping: Mapping, anyway: bool) -> Result<u32, Halt> {
        let Mapping { channel_id, external_id, product_id, .. } = &mapping;
        let mut told = 0;
        for _ in 0..ROUNDS {
            let key = std::slice::from_ref(external_id);
            let Some(known) = self.store.mappings_of(channel_id, key).await?.remove(external_id) else { break };
            let stocks = self.store.stocks(std::slice::from_ref(product_id)).await?;
            let Some(units) = stocks.get(product_id).copied().filter(|_| known.product_id == *product_id) else {
                break;
            };
            let has_it = known.stock_there == Some(units) && known.error.is_none();
            if has_it && !(anyway && told == 0) {
                break;
            }
            self.turn().await?;
            let count = u32::try_from(units).unwrap_or(0);
            let outcome = self.account.channel.set_stock(external_id, count, self.store.now()).await;
            let as_told = outcome.as_ref().map(|()| units).map_err(Trouble::to_string);
            self.store.told_stock(&known, &as_told).await?;
            outcome?;
            told += 1;
        }
        Ok(told)
    }
}

/// How long to wait before a marketplace that was in trouble so often in a row is asked again; none, if it is in vain.
fn wait_for(trouble: &Trouble, troubles: u32) -> Option<Duration> {
    let doubled = |first: Duration| first * 2_u32.pow(troubles.saturating_sub(1).min(6));
    let wait = match trouble {
        Trouble::Refused(_) | Trouble::Rejected(_) => None,
        Trouble::LeftAlone(rest) => Some(*rest),
        Trouble::TooOften => Some(doubled(Duration::from_secs(2))),
        Trouble::OutOfOrder(_) => Some(doubled(Duration::from_secs(10))),
    };
    wait.filter(|_| troubles <= MOST_TROUBLES)
}

/// Asks for the channels to be told of these stocks, but for the one where the change was made. Where that fails, each channel's
/// next collection tells it: every collection compares all stocks.
pub(crate) async fn ask_to_tell(store: &Store, pacer: &Pacer, moved: &BTreeSet<ProductId>, but: Option<&ChannelId>) {
    for product in moved {
        let mapped = match store.mapped(product).await {
            Ok(mapped) => mapped,
            Err(error) => {
                tracing::warn!(%error, %product, "channels are told of a stock later");
                continue;
            }
        };
        for mapping in mapped.into_iter().filter(|mapping| Some(&mapping.channel_id) != but) {
            let due = DueStock { channel_id: mapping.channel_id, external_id: mapping.external_id, failed: 0 };
            let body = serde_json::to_string(&due).unwrap_or_default();
            if let Err(error) = pacer.send(&body, Duration::ZERO).await {
                tracing::warn!(%error, %product, "a channel is told of a stock later");
            }
        }
    }
}
