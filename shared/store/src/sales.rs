//! Sales by the hour, the totals that are derived from them, and the top sellers.
//!
//! A sale is one row for each order, in the hour of its payment; only a later version of the order replaces it. The
//! totals of a closed hour are summed once and kept; a sale that is told after its hour ended leaves a note beside its
//! row, in the same transaction, and by the note the hour is summed anew.

use crate::{
    Item, PageRequest, Sales, Transaction, Write,
    item::{number, read, row, string, text},
    keys::{self, Key},
    read::Query,
};
use domain::{
    Fault, OrderId, ProductId, Timestamp, Won,
    sales::{Hour, Sale, Sold},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long sales, totals and notes are kept: well beyond the window that reads them.
const KEPT: Duration = Duration::from_hours(8 * 24);

/// Products in one row of an hour's totals: some 64 + 15 bytes each, so a row stays below DynamoDB's 400 KB, and an hour
/// of 48,000 different products within the 4 MB of one transaction.
const PRODUCTS_IN_PART: usize = 4_000;

/// The top sellers as last counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopSellers {
    /// When they were counted.
    pub as_of: Timestamp,
    /// The most sold first.
    pub products: Vec<TopSeller>,
}

/// One of the top sellers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopSeller {
    /// Which product.
    pub product_id: ProductId,
    /// Its name when it was counted.
    pub name: String,
    /// Its category when it was counted.
    pub category: String,
    /// Its price when it was counted.
    pub price: Won,
    /// Units sold in the window.
    pub sold_quantity: i64,
}

/// A part of an hour's totals.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    /// How many parts the hour has: those beyond are left over from a larger sum and do not count.
    parts: usize,
    sold: Sold,
}

/// A note that an order's sale was told after its hour had ended.
#[derive(Debug, Clone)]
pub struct LateSale {
    /// The hour that it belongs to.
    pub hour: Hour,
    key: Key,
    version: i64,
}

/// A condition that fails only because the same or newer knowledge is already there.
#[derive(Debug)]
struct Known;

impl Sales<'_> {
    /// Keeps what an order sold, unless the same or a later version of the order is already known.
    pub async fn record(self, sale: &Sale, now: Timestamp) -> Result<(), Fault> {
        let hour = Hour::of(sale.paid_at);
        let table = self.0.tables.views.as_str();
        let newer = |item: Item| Write::put(table, item).when_newer(sale.version);
        let transaction =
            Transaction::default().with(newer(expiring(row(&keys::sale(hour, &sale.order_id), sale)?, now)), Known);
        let transaction = if now < hour.end() {
            transaction
        } else {
            let mut note = expiring(keys::late_sale(hour, &sale.order_id).item(), now);
            note.insert("version".into(), number(sale.version.into()));
            transaction.with(newer(note), Known)
        };
        transaction.commit_if_new(self.0).await.map(drop)
    }

    /// Calls `each` for every sale of an hour, a page at a time.
    pub async fn each(self, hour: Hour, mut each: impl FnMut(&Sale)) -> Result<(), Fault> {
        let pk = keys::sales(hour);
        let query = Query { table: &self.0.tables.views, pk: &pk, prefix: keys::SALE, newest_first: false };
        self.0
            .query_each(&query, |item| {
                each(&read(item)?);
                Ok(())
            })
            .await
    }

    /// The totals of a closed hour, if they were summed.
    pub async fn totals(self, hour: Hour) -> Result<Option<Sold>, Fault> {
        let pk = keys::sales(hour);
        let query = Query { table: &self.0.tables.views, pk: &pk, prefix: keys::TOTAL, newest_first: false };
        let mut parts: Vec<Part> = Vec::new();
        self.0
            .query_each(&query, |item| {
                parts.push(read(item)?);
                Ok(())
            })
            .await?;
        // Parts beyond the first's count are left over from a larger sum.
        let count = parts.first().map(|first| first.parts);
        let sum = |count| {
            parts.iter().take(count).fold(Sold::new(), |mut sum, part| {
                domain::sales::tally(&mut sum, &part.sold);
                sum
            })
        };
        Ok(count.map(sum))
    }

    /// Keeps the totals of a closed hour, all parts at once, unless a sum begun later is already there; tells whether it did.
    pub async fn put_totals(self, hour: Hour, sold: &Sold, now: Timestamp) -> Result<bool, Fault> {
        let entries: Vec<_> = sold.iter().map(|(product, units)| (product.clone(), *units)).collect();
        let parts = entries.len().div_ceil(PRODUCTS_IN_PART).max(1);
        let mut chunks = entries.chunks(PRODUCTS_IN_PART);
        let mut transaction = Transaction::default();
        for number_of_part in 0..parts {
            let sold = chunks.next().unwrap_or_default().iter().cloned().collect();
            let item = expiring(row(&keys::total(hour, number_of_part), &Part { parts, sold })?, now);
            let put = Write::put(&self.0.tables.views, item).when("attribute_not_exists(pk) OR summedAt <= :now");
            transaction = transaction.with(put.value(":now", text(now)), Known);
        }
        transaction.commit_if_new(self.0).await
    }

    /// Notes of sales that were told late, the oldest hour first: a page of them.
    pub async fn late(self, page: &PageRequest) -> Result<crate::Page<LateSale>, Fault> {
        let query = Query { table: &self.0.tables.views, pk: keys::LATE_SALES, prefix: "", newest_first: false };
        let rows = self.0.query(&query, page).await?;
        let entries = rows.entries.iter().map(late_sale).collect::<Result<_, _>>()?;
        Ok(crate::Page { entries, next: rows.next })
    }

    /// Removes a note, unless the order's sale was told again since.
    pub async fn remove_late(self, late: &LateSale) -> Result<(), Fault> {
        let delete = Write::delete(&self.0.tables.views, late.key.clone()).when("version = :version");
        let transaction = Transaction::default().with(delete.value(":version", number(late.version)), Known);
        transaction.commit_if_new(self.0).await.map(drop)
    }

    /// The top sellers as last counted, in one call.
    pub async fn top_sellers(self) -> Result<Option<TopSellers>, Fault> {
        self.0.get(&self.0.tables.views, &keys::top_sellers()).await?.map(read).transpose()
    }

    /// Keeps the top sellers, unless a later count is already there.
    pub async fn put_top_sellers(self, top: &TopSellers) -> Result<(), Fault> {
        let put = Write::put(&self.0.tables.views, row(&keys::top_sellers(), top)?)
            .when("attribute_not_exists(pk) OR asOf < :asOf");
        let transaction = Transaction::default().with(put.value(":asOf", text(top.as_of)), Known);
        transaction.commit_if_new(self.0).await.map(drop)
    }
}

/// Marks a row for removal by DynamoDB some time after it is of no more use, and tells when it was written.
fn expiring(mut item: Item, now: Timestamp) -> Item {
    item.insert("expiresAt".into(), number(now.plus(KEPT).seconds()));
    item.insert("summedAt".into(), text(now));
    item
}

fn late_sale(item: &Item) -> Result<LateSale, Fault> {
    let sk = string(item, "sk")?;
    let (hour, order) = sk.split_once('#').ok_or_else(|| Fault::broken("a late sale's key has no hour"))?;
    let hour = Hour::parse(hour).ok_or_else(|| Fault::broken("a late sale's hour is not one"))?;
    let order = OrderId::parse(order).map_err(Fault::broken)?;
    Ok(LateSale { hour, key: keys::late_sale(hour, &order), version: crate::item::whole(item, "version")? })
}
