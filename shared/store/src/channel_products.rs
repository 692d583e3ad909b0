//! Products of sales channels, and their mappings to our products.

use crate::{
    ChannelProducts, Page, PageRequest, Stocks, Transaction, Write,
    item::{number, read, row, text},
    keys,
    products::Stock,
    read::Query,
};
use domain::{ChannelId, Fault, ProductId, Won};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How long a product is stored after its channel last reported it.
const PRODUCT_RETENTION: Duration = Duration::from_hours(7 * 24);

/// A product as its channel reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelProduct {
    /// The channel's id.
    pub channel_id: ChannelId,
    /// The product's id in the channel.
    pub external_id: ProductId,
    /// The product's name in the channel.
    pub name: String,
    /// The status, as the marketplace reports it.
    pub status: String,
    /// The price, if the marketplace reports one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Won>,
    /// The units for sale, if the marketplace reports them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<i64>,
}

impl ChannelProduct {
    /// A product of which only the id is known.
    pub fn unseen(channel_id: ChannelId, external_id: ProductId) -> Self {
        let name = external_id.to_string();
        Self { channel_id, external_id, name, status: String::new(), price: None, stock: None }
    }
}

/// The mapping of a channel's product to one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapping {
    /// The channel's id.
    pub channel_id: ChannelId,
    /// The product's id in the channel.
    pub external_id: ProductId,
    /// Our product.
    pub product_id: ProductId,
    /// The stock last sent to the marketplace. `None` once the product was ordered there, because
    /// that may change the marketplace's stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_sent: Option<i64>,
    /// Why the last attempt to send the stock failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ChannelProducts<'_> {
    /// Upserts products. A product that the channel no longer reports expires.
    pub async fn put_all(self, products: &[ChannelProduct]) -> Result<(), Fault> {
        let expires_at = number(self.0.now().plus(PRODUCT_RETENTION).seconds());
        let products: BTreeMap<&ProductId, &ChannelProduct> =
            products.iter().map(|product| (&product.external_id, product)).collect();
        let products: Vec<&ChannelProduct> = products.into_values().collect();
        for part in products.chunks(100) {
            let mut all = Transaction::default();
            for product in part {
                let key = keys::channel_product(&product.channel_id, &product.external_id);
                let mut item = row(&key, product)?;
                item.insert("expiresAt".into(), expires_at.clone());
                all = all.with(Write::put(&self.0.tables.channels, item), ());
            }
            all.commit_unconditional(self.0).await?;
        }
        Ok(())
    }

    /// A page of a channel's products, by id. `Page::next` is the id of the last product.
    pub async fn list(
        self,
        id: &ChannelId,
        page: &PageRequest,
    ) -> Result<Page<ChannelProduct>, Fault> {
        let pk = keys::channel_rows(id);
        let query = Query {
            table: &self.0.tables.channels,
            pk: &pk,
            prefix: keys::CHANNEL_PRODUCT,
            newest_first: false,
        };
        let after =
            page.after.as_ref().map(|product| format!("{}{product}", keys::CHANNEL_PRODUCT));
        let rows = self.0.query(&query, &PageRequest { limit: page.limit, after }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::CHANNEL_PRODUCT).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// Reads a channel's product.
    pub async fn get(
        self,
        id: &ChannelId,
        product: &ProductId,
    ) -> Result<Option<ChannelProduct>, Fault> {
        self.0
            .get(&self.0.tables.channels, &keys::channel_product(id, product))
            .await?
            .map(read)
            .transpose()
    }

    /// The mappings of a channel's products. Unmapped products are left out.
    pub async fn mappings_of(
        self,
        id: &ChannelId,
        products: &[ProductId],
    ) -> Result<BTreeMap<ProductId, Mapping>, Fault> {
        let table = self.0.tables.channels.as_str();
        let mut found = self
            .0
            .batch_get(products.iter().map(|product| (table, keys::mapping(id, product))))
            .await?;
        let mut mappings = BTreeMap::new();
        for product in products {
            if let Some(item) = found.take(&keys::mapping(id, product)) {
                mappings.insert(product.clone(), read(item)?);
            }
        }
        Ok(mappings)
    }

    /// A page of a channel's mappings, by the channel's product id. `Page::next` is the last such
    /// id.
    pub async fn list_mappings(
        self,
        id: &ChannelId,
        page: &PageRequest,
    ) -> Result<Page<Mapping>, Fault> {
        let pk = keys::channel_rows(id);
        let query = Query {
            table: &self.0.tables.channels,
            pk: &pk,
            prefix: keys::MAPPING,
            newest_first: false,
        };
        let after = page.after.as_ref().map(|product| format!("{}{product}", keys::MAPPING));
        let rows = self.0.query(&query, &PageRequest { limit: page.limit, after }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::MAPPING).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// The mappings to one of our products, in all channels.
    pub async fn mappings_to(self, product: &ProductId) -> Result<Vec<Mapping>, Fault> {
        let pk = keys::mapped(product);
        let query =
            Query { table: &self.0.tables.channels, pk: &pk, prefix: "", newest_first: false };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Maps a channel's product to one of ours, or removes the mapping, if the mapping is unchanged
    /// since it was read. Returns `false` if it has changed or the channel does not exist.
    pub async fn map(
        self,
        id: &ChannelId,
        external_id: &ProductId,
        seen: Option<&Mapping>,
        product: Option<&ProductId>,
    ) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let key = keys::mapping(id, external_id);
        let mut all = Transaction::default();
        if let Some(seen) = seen {
            all = all.with(
                Write::delete(table, keys::reverse_mapping(&seen.product_id, id, external_id)),
                (),
            );
        }
        let write = match product {
            Some(product) => {
                let mapping = Mapping {
                    channel_id: id.clone(),
                    external_id: external_id.clone(),
                    product_id: product.clone(),
                    stock_sent: None,
                    error: None,
                };
                all = all
                    .with(Write::check(table, keys::channel(id)).when("attribute_exists(pk)"), ());
                all = all.with(
                    Write::put(
                        table,
                        row(&keys::reverse_mapping(product, id, external_id), &mapping)?,
                    ),
                    (),
                );
                Write::put(table, row(&key, &mapping)?)
            }
            None => Write::delete(table, key),
        };
        let write = match seen {
            None => write.when_new(),
            Some(seen) => write.when("productId = :seen").value(":seen", text(&seen.product_id)),
        };
        all.with(write, ()).commit_if_unchanged(self.0).await
    }

    /// Records the result of sending a stock to the marketplace: the units sent, or the error.
    /// Ignored if the product is no longer mapped to the same product of ours.
    pub async fn record_stock_sent(
        self,
        mapping: &Mapping,
        result: &Result<i64, String>,
    ) -> Result<(), Fault> {
        let key = keys::mapping(&mapping.channel_id, &mapping.external_id);
        let table = self.0.tables.channels.as_str();
        let write = match result {
            Ok(units) => {
                let write = Write::update(table, key, "SET stockSent = :units REMOVE #error")
                    .name("#error", "error");
                write.value(":units", number(*units))
            }
            Err(error) => Write::update(table, key, "SET #error = :error")
                .name("#error", "error")
                .value(":error", text(error)),
        };
        let write = write.when("productId = :product").value(":product", text(&mapping.product_id));
        Transaction::default().with(write, ()).commit_if_unchanged(self.0).await.map(drop)
    }
}

impl Stocks<'_> {
    /// The units in stock of products. Unknown products are left out.
    pub async fn quantities(
        self,
        products: &[ProductId],
    ) -> Result<BTreeMap<ProductId, i64>, Fault> {
        let table = self.0.tables.products.as_str();
        let mut found =
            self.0.batch_get(products.iter().map(|product| (table, keys::stock(product)))).await?;
        let mut stocks = BTreeMap::new();
        for product in products {
            if let Some(item) = found.take(&keys::stock(product)) {
                stocks.insert(product.clone(), Stock::of(item)?.quantity);
            }
        }
        Ok(stocks)
    }
}
