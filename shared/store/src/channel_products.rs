//! Products of sales channels, and which of ours they are.

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

/// How long a product is kept that its channel does not tell of any more.
const PRODUCTS_KEPT: Duration = Duration::from_hours(7 * 24);

/// A product as a channel has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelProduct {
    /// On which channel.
    pub channel_id: ChannelId,
    /// Its id there.
    pub external_id: ProductId,
    /// What it is called there.
    pub name: String,
    /// Where it stands, in the marketplace's words.
    pub status: String,
    /// Its price, if the marketplace tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Won>,
    /// How many can be bought, if the marketplace tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<i64>,
}

impl ChannelProduct {
    /// A product that is known by its id alone.
    pub fn unseen(channel_id: ChannelId, external_id: ProductId) -> Self {
        let name = external_id.to_string();
        Self { channel_id, external_id, name, status: String::new(), price: None, stock: None }
    }
}

/// That a channel's product is one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapping {
    /// On which channel.
    pub channel_id: ChannelId,
    /// The product there.
    pub external_id: ProductId,
    /// Our product.
    pub product_id: ProductId,
    /// The stock that the marketplace was told last; none, if it was ordered there since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_there: Option<i64>,
    /// Why it could not be told, if the last try was in vain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ChannelProducts<'_> {
    /// Keeps products as a channel has them. One that is not told of any more is forgotten.
    pub async fn put_all(self, products: &[ChannelProduct]) -> Result<(), Fault> {
        let expires_at = number(self.0.now().plus(PRODUCTS_KEPT).seconds());
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

    /// A page of a channel's products, by id. A page's `next` is the id of its last.
    pub async fn list(self, id: &ChannelId, page: &PageRequest) -> Result<Page<ChannelProduct>, Fault> {
        let pk = keys::channel_rows(id);
        let query =
            Query { table: &self.0.tables.channels, pk: &pk, prefix: keys::CHANNEL_PRODUCT, newest_first: false };
        let after = page.after.as_ref().map(|product| format!("{}{product}", keys::CHANNEL_PRODUCT));
        let rows = self.0.query(&query, &PageRequest { limit: page.limit, after }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::CHANNEL_PRODUCT).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// A product as a channel has it.
    pub async fn get(self, id: &ChannelId, product: &ProductId) -> Result<Option<ChannelProduct>, Fault> {
        self.0.get(&self.0.tables.channels, &keys::channel_product(id, product)).await?.map(read).transpose()
    }

    /// Which of our products these of a channel are; those that are none are left out.
    pub async fn mappings_of(
        self,
        id: &ChannelId,
        products: &[ProductId],
    ) -> Result<BTreeMap<ProductId, Mapping>, Fault> {
        let table = self.0.tables.channels.as_str();
        let mut found = self.0.batch_get(products.iter().map(|product| (table, keys::mapping(id, product)))).await?;
        let mut mappings = BTreeMap::new();
        for product in products {
            if let Some(item) = found.take(&keys::mapping(id, product)) {
                mappings.insert(product.clone(), read(item)?);
            }
        }
        Ok(mappings)
    }

    /// A page of a channel's mappings, by the product there. A page's `next` is the product of its last.
    pub async fn list_mappings(self, id: &ChannelId, page: &PageRequest) -> Result<Page<Mapping>, Fault> {
        let pk = keys::channel_rows(id);
        let query = Query { table: &self.0.tables.channels, pk: &pk, prefix: keys::MAPPING, newest_first: false };
        let after = page.after.as_ref().map(|product| format!("{}{product}", keys::MAPPING));
        let rows = self.0.query(&query, &PageRequest { limit: page.limit, after }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::MAPPING).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// The mappings of a product of ours, whichever channels they are of.
    pub async fn mappings_to(self, product: &ProductId) -> Result<Vec<Mapping>, Fault> {
        let pk = keys::mapped(product);
        let query = Query { table: &self.0.tables.channels, pk: &pk, prefix: "", newest_first: false };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Says that a channel's product is this one of ours, or none any more; tells whether that was as it was seen.
    pub async fn map(
        self,
        id: &ChannelId,
        there: &ProductId,
        seen: Option<&Mapping>,
        product: Option<&ProductId>,
    ) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let key = keys::mapping(id, there);
        let mut all = Transaction::default();
        if let Some(seen) = seen {
            all = all.with(Write::delete(table, keys::mapped_there(&seen.product_id, id, there)), ());
        }
        let write = match product {
            Some(product) => {
                let mapping = Mapping {
                    channel_id: id.clone(),
                    external_id: there.clone(),
                    product_id: product.clone(),
                    stock_there: None,
                    error: None,
                };
                all = all.with(Write::check(table, keys::channel(id)).when("attribute_exists(pk)"), ());
                all = all.with(Write::put(table, row(&keys::mapped_there(product, id, there), &mapping)?), ());
                Write::put(table, row(&key, &mapping)?)
            }
            None => Write::delete(table, key),
        };
        let write = match seen {
            None => write.when_new(),
            Some(seen) => write.when("productId = :seen").value(":seen", text(&seen.product_id)),
        };
        all.with(write, ()).commit_if_new(self.0).await
    }

    /// Writes down what a marketplace was told of a product's stock, if it is still mapped to this one.
    pub async fn record_stock_sent(self, mapping: &Mapping, told: &Result<i64, String>) -> Result<(), Fault> {
        let key = keys::mapping(&mapping.channel_id, &mapping.external_id);
        let table = self.0.tables.channels.as_str();
        let write = match told {
            Ok(units) => {
                let write = Write::update(table, key, "SET stockThere = :told REMOVE #error").name("#error", "error");
                write.value(":told", number(*units))
            }
            Err(error) => {
                Write::update(table, key, "SET #error = :error").name("#error", "error").value(":error", text(error))
            }
        };
        let write = write.when("productId = :product").value(":product", text(&mapping.product_id));
        Transaction::default().with(write, ()).commit_if_new(self.0).await.map(drop)
    }
}

impl Stocks<'_> {
    /// How many there are left of products; those unknown are left out.
    pub async fn quantities(self, products: &[ProductId]) -> Result<BTreeMap<ProductId, i64>, Fault> {
        let table = self.0.tables.products.as_str();
        let mut found = self.0.batch_get(products.iter().map(|product| (table, keys::stock(product)))).await?;
        let mut stocks = BTreeMap::new();
        for product in products {
            if let Some(item) = found.take(&keys::stock(product)) {
                stocks.insert(product.clone(), Stock::of(item)?.quantity);
            }
        }
        Ok(stocks)
    }
}
