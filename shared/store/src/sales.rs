//! Sales by hour, the totals derived from them, and the top sellers.
//!
//! Each order has one sale, in the hour of its payment. Only a later version of the order replaces
//! it. The totals of a closed hour are summed once and stored. A sale that is recorded after its
//! hour ended also writes a note, in the same transaction, and the note causes the hour to be
//! summed again.

use crate::{
    Item, PageRequest, Sales, Transaction, Write,
    item::{Key, number, read, row, string, text},
    keys,
    read::Query,
};
use domain::{
    Fault, OrderId, ProductId, Timestamp, Won,
    sales::{Hour, Sale, Sold},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long sales, totals and notes are stored: well beyond the window of the top sellers.
const RETENTION: Duration = Duration::from_hours(8 * 24);

/// Products in one row of an hour's totals. At about 64 + 15 bytes each, a row stays below
/// DynamoDB's 400 KB, and an hour of 48,000 different products stays within the 4 MB of one
/// transaction.
const PRODUCTS_IN_PART: usize = 4_000;

/// The top sellers as of one aggregation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopSellers {
    /// The time of the aggregation.
    pub as_of: Timestamp,
    /// The products, most sold first.
    pub products: Vec<TopSeller>,
}

/// One of the top sellers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopSeller {
    /// The product's id.
    pub product_id: ProductId,
    /// The product's name at the time of the aggregation.
    pub name: String,
    /// The product's category at the time of the aggregation.
    pub category: String,
    /// The product's price at the time of the aggregation.
    pub price: Won,
    /// Units sold in the window.
    pub sold_quantity: i64,
}

/// One part of an hour's totals.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    /// The number of parts of the hour. Parts beyond it belong to an earlier, larger sum and are
    /// ignored.
    parts: usize,
    sold: Sold,
}

/// A note that an order's sale was recorded after its hour had ended.
#[derive(Debug, Clone)]
pub struct LateSale {
    /// The hour of the sale.
    pub hour: Hour,
    key: Key,
    version: i64,
}

/// The meaning of every failed condition here: the same data or newer data is already stored.
#[derive(Debug)]
struct AlreadyStored;

impl Sales<'_> {
    /// Records an order's sale, unless the same version of the order or a later one is recorded.
    pub async fn record(self, sale: &Sale, now: Timestamp) -> Result<(), Fault> {
        let hour = Hour::of(sale.paid_at);
        let table = self.0.tables.views.as_str();
        let newer = |item: Item| Write::put(table, item).when_newer(sale.version);
        let transaction = Transaction::default().with(
            newer(expiring(row(&keys::sale(hour, &sale.order_id), sale)?, now)),
            AlreadyStored,
        );
        let transaction = if now < hour.end() {
            transaction
        } else {
            let mut note = expiring(keys::late_sale(hour, &sale.order_id).item(), now);
            note.insert("version".into(), number(sale.version.into()));
            transaction.with(newer(note), AlreadyStored)
        };
        transaction.commit_if_unchanged(self.0).await.map(drop)
    }

    /// Calls `each` for every sale of an hour.
    pub async fn each(self, hour: Hour, mut each: impl FnMut(&Sale)) -> Result<(), Fault> {
        let pk = keys::sales(hour);
        let query =
            Query { table: &self.0.tables.views, pk: &pk, prefix: keys::SALE, newest_first: false };
        self.0
            .query_each(&query, |item| {
                each(&read(item)?);
                Ok(())
            })
            .await
    }

    /// The totals of a closed hour. `None` if they were not summed yet.
    pub async fn totals(self, hour: Hour) -> Result<Option<Sold>, Fault> {
        let pk = keys::sales(hour);
        let query = Query {
            table: &self.0.tables.views,
            pk: &pk,
            prefix: keys::TOTAL,
            newest_first: false,
        };
        let mut parts: Vec<Part> = Vec::new();
        self.0
            .query_each(&query, |item| {
                parts.push(read(item)?);
                Ok(())
            })
            .await?;
        // Parts beyond the count of the first part belong to an earlier, larger sum.
        let count = parts.first().map(|first| first.parts);
        let sum = |count| {
            parts.iter().take(count).fold(Sold::new(), |mut sum, part| {
                domain::sales::add_sales(&mut sum, &part.sold);
                sum
            })
        };
        Ok(count.map(sum))
    }

    /// Stores the totals of a closed hour, all parts in one transaction, unless the result of a
    /// later sum is stored. Returns whether they were stored.
    pub async fn put_totals(self, hour: Hour, sold: &Sold, now: Timestamp) -> Result<bool, Fault> {
        let entries: Vec<_> =
            sold.iter().map(|(product, units)| (product.clone(), *units)).collect();
        let parts = entries.len().div_ceil(PRODUCTS_IN_PART).max(1);
        let mut chunks = entries.chunks(PRODUCTS_IN_PART);
        let mut transaction = Transaction::default();
        for number_of_part in 0..parts {
            let sold = chunks.next().unwrap_or_default().iter().cloned().collect();
            let item =
                expiring(row(&keys::total(hour, number_of_part), &Part { parts, sold })?, now);
            let put = Write::put(&self.0.tables.views, item)
                .when("attribute_not_exists(pk) OR summedAt <= :now");
            transaction = transaction.with(put.value(":now", text(now)), AlreadyStored);
        }
        transaction.commit_if_unchanged(self.0).await
    }

    /// A page of the notes on late sales, oldest hour first.
    pub async fn late(self, page: &PageRequest) -> Result<crate::Page<LateSale>, Fault> {
        let query = Query {
            table: &self.0.tables.views,
            pk: keys::LATE_SALES,
            prefix: "",
            newest_first: false,
        };
        let rows = self.0.query(&query, page).await?;
        let entries = rows.entries.iter().map(late_sale).collect::<Result<_, _>>()?;
        Ok(crate::Page { entries, next: rows.next })
    }

    /// Deletes a note, unless the order's sale was recorded again since the note was read.
    pub async fn remove_late(self, late: &LateSale) -> Result<(), Fault> {
        let delete =
            Write::delete(&self.0.tables.views, late.key.clone()).when("version = :version");
        let transaction = Transaction::default()
            .with(delete.value(":version", number(late.version)), AlreadyStored);
        transaction.commit_if_unchanged(self.0).await.map(drop)
    }

    /// Reads the latest top sellers.
    pub async fn top_sellers(self) -> Result<Option<TopSellers>, Fault> {
        self.0.get(&self.0.tables.views, &keys::top_sellers()).await?.map(read).transpose()
    }

    /// Stores top sellers, unless a later aggregation is stored.
    pub async fn put_top_sellers(self, top: &TopSellers) -> Result<(), Fault> {
        let put = Write::put(&self.0.tables.views, row(&keys::top_sellers(), top)?)
            .when("attribute_not_exists(pk) OR asOf < :asOf");
        let transaction =
            Transaction::default().with(put.value(":asOf", text(top.as_of)), AlreadyStored);
        transaction.commit_if_unchanged(self.0).await.map(drop)
    }
}

/// Sets the time to live of a row, well after its last use, and the time at which it was written.
fn expiring(mut item: Item, now: Timestamp) -> Item {
    item.insert("expiresAt".into(), number(now.plus(RETENTION).seconds()));
    item.insert("summedAt".into(), text(now));
    item
}

fn late_sale(item: &Item) -> Result<LateSale, Fault> {
    let sk = string(item, "sk")?;
    let (hour, order) =
        sk.split_once('#').ok_or_else(|| Fault::broken("a late sale's key has no hour"))?;
    let hour = Hour::parse(hour)
        .ok_or_else(|| Fault::broken("the hour in a late sale's key is malformed"))?;
    let order = OrderId::parse(order).map_err(Fault::broken)?;
    Ok(LateSale {
        hour,
        key: keys::late_sale(hour, &order),
        version: crate::item::whole(item, "version")?,
    })
}
