//! Sends stock levels to marketplaces.
//!
//! A stock level is sent as an absolute number, so repeats are harmless. It is read again after it
//! was sent, so a change in between is not lost.

use crate::{
    queue::{DueStock, Queue},
    session::{Session, StepError},
};
use domain::{ChannelId, Fault, ProductId};
use partners::channels::ChannelError;
use std::{collections::BTreeSet, time::Duration};
use store::{Store, channel_products::Mapping};

/// Attempts to send a stock level. Each further one means that the stock changed while it was sent.
const ATTEMPTS: usize = 4;

impl Session<'_> {
    /// Sends the stock of a mapped product, if the marketplace does not have it already or if
    /// `force` is set. Returns how often it was sent.
    pub(crate) async fn send_stock(&self, mapping: Mapping, force: bool) -> Result<u32, StepError> {
        let Mapping { channel_id, external_id, product_id, .. } = &mapping;
        let mut sent = 0;
        if !self.account.kind.has_catalogue {
            return Ok(sent);
        }
        for _ in 0..ATTEMPTS {
            let key = std::slice::from_ref(external_id);
            let Some(known) = self
                .store
                .channel_products()
                .mappings_of(channel_id, key)
                .await?
                .remove(external_id)
            else {
                break;
            };
            let stocks = self.store.stock().quantities(std::slice::from_ref(product_id)).await?;
            let Some(units) =
                stocks.get(product_id).copied().filter(|_| known.product_id == *product_id)
            else {
                break;
            };
            let is_sent = known.stock_sent == Some(units) && known.error.is_none();
            if is_sent && !(force && sent == 0) {
                break;
            }
            self.acquire_call().await?;
            // A marketplace knows no stock below zero.
            let count = u32::try_from(units.max(0)).unwrap_or(u32::MAX);
            let outcome =
                self.account.channel.set_stock(external_id, count, self.store.now()).await;
            let result = outcome.as_ref().map(|()| units).map_err(ChannelError::to_string);
            self.store.channel_products().record_stock_sent(&known, &result).await?;
            outcome?;
            sent += 1;
        }
        Ok(sent)
    }
}

/// Requests that the stock of these products is sent to every channel except `but`, where the
/// change was made. If the request fails, each channel's next collection sends the stock: it
/// compares all levels.
pub(crate) async fn request_stock_updates(
    store: &Store,
    queue: &Queue,
    moved: &BTreeSet<ProductId>,
    but: Option<&ChannelId>,
) {
    for product in moved {
        let requested = async {
            for mapping in store
                .channel_products()
                .mappings_to(product)
                .await?
                .into_iter()
                .filter(|mapping| Some(&mapping.channel_id) != but)
            {
                let due = DueStock {
                    channel_id: mapping.channel_id,
                    external_id: mapping.external_id,
                    sent: 0,
                };
                queue.send(&due, Duration::ZERO).await?;
            }
            Ok::<_, Fault>(())
        };
        if let Err(error) = requested.await {
            tracing::warn!(%error, %product, "a stock level is sent with the next collections");
        }
    }
}
