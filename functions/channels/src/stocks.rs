//! How marketplaces are told how many units of a product there are. A stock is told as it is, and not by how much it changed, so it
//! does not matter how often, and looked at again afterwards, so it does not matter if it changed in between.

use crate::{
    queue::{DueStock, Queue},
    session::{Session, StepError},
};
use domain::{ChannelId, Fault, ProductId};
use partners::channels::ChannelError;
use std::{collections::BTreeSet, time::Duration};
use store::{Store, channel_products::Mapping};

/// How often a stock is told anew when it changed while it was told.
const ATTEMPTS: usize = 4;

impl Session<'_> {
    /// Makes sure that the marketplace has the stock of a mapped product, or tells it anyway; says how often it was told.
    pub(crate) async fn tell(&self, mapping: Mapping, anyway: bool) -> Result<u32, StepError> {
        let Mapping { channel_id, external_id, product_id, .. } = &mapping;
        let mut told = 0;
        if !self.account.kind.has_catalogue {
            return Ok(told);
        }
        for _ in 0..ATTEMPTS {
            let key = std::slice::from_ref(external_id);
            let Some(known) = self.store.channel_products().mappings_of(channel_id, key).await?.remove(external_id)
            else {
                break;
            };
            let stocks = self.store.stock().quantities(std::slice::from_ref(product_id)).await?;
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
            let as_told = outcome.as_ref().map(|()| units).map_err(ChannelError::to_string);
            self.store.channel_products().record_stock_sent(&known, &as_told).await?;
            outcome?;
            told += 1;
        }
        Ok(told)
    }
}

/// Asks for the channels to be told of these stocks, but for the one where the change was made. Where that fails, each channel's
/// next collection tells it: every collection compares all stocks.
pub(crate) async fn ask_to_tell(store: &Store, queue: &Queue, moved: &BTreeSet<ProductId>, but: Option<&ChannelId>) {
    for product in moved {
        let asked = async {
            for mapping in store
                .channel_products()
                .mappings_to(product)
                .await?
                .into_iter()
                .filter(|mapping| Some(&mapping.channel_id) != but)
            {
                let due = DueStock { channel_id: mapping.channel_id, external_id: mapping.external_id, sent: 0 };
                queue.ask(&due, Duration::ZERO).await?;
            }
            Ok::<_, Fault>(())
        };
        if let Err(error) = asked.await {
            tracing::warn!(%error, %product, "channels are told of a stock later");
        }
    }
}
