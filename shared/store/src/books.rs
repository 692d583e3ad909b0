//! The books as an auditor reads them: every row, a page at a time, and the last audit's report.

use crate::{
    Item, NotCommitted, PageRequest, Store, Transaction, Write,
    item::{read, row, string, text, whole},
    keys::{self, Key},
    orders::PlacedOrder,
    read::Query,
};
use domain::{CustomerId, EntryId, Fault, OrderId, ProductId, Timestamp, order::Order, points::Entry};
use serde::{Deserialize, Serialize};

/// Rows read at once.
const PAGE: i32 = 500;

/// A row of the customers table, as far as the books go.
#[derive(Debug)]
pub enum AccountRow {
    /// The balance: the last row of each customer.
    Balance(i64),
    /// A ledger entry.
    Entry(Entry),
}

/// A row of the products table, as far as the books go.
#[derive(Debug)]
pub enum StockRow {
    /// Units left: the last row of each product.
    Quantity(i64),
    /// Units that came in or went out by hand.
    Movement(i64),
}

/// A place in a table from which a scan goes on.
pub type Place = Item;

/// What one audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// When it was made.
    pub audited_at: Timestamp,
    /// Each law, with how many things it was held against.
    pub laws: Vec<Law>,
    /// What broke a law; the first few hundred where there are more.
    pub violations: Vec<Violation>,
}

/// A law of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Law {
    /// Its name.
    pub law: String,
    /// How many things it was held against.
    pub checked: u64,
}

/// Something that breaks a law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Violation {
    /// The law's name.
    pub law: String,
    /// What breaks it: `customer/<id>`, `order/<id>`, `entry/<customer>/<id>` or `product/<id>`.
    pub key: String,
    /// What should be.
    pub expected: String,
    /// What is.
    pub actual: String,
}

impl Store {
    /// A page of accounts, each customer's rows together and the balance last, and where the next page begins.
    pub async fn scan_accounts(
        &self,
        from: Option<Place>,
    ) -> Result<(Vec<(CustomerId, AccountRow)>, Option<Place>), Fault> {
        let (items, next) = self.scan(&self.tables.customers, from).await?;
        let rows = items.into_iter().filter_map(|item| account_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// A page of stocks, each product's rows together and the quantity last, and where the next page begins.
    pub async fn scan_stocks(&self, from: Option<Place>) -> Result<(Vec<(ProductId, StockRow)>, Option<Place>), Fault> {
        let (items, next) = self.scan(&self.tables.products, from).await?;
        let rows = items.iter().filter_map(|item| stock_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// A page of orders, and where the next page begins.
    pub async fn scan_orders(&self, from: Option<Place>) -> Result<(Vec<Order>, Option<Place>), Fault> {
        let (items, next) = self.scan(&self.tables.orders, from).await?;
        Ok((items.into_iter().map(|item| Ok(PlacedOrder::of(item)?.order)).collect::<Result<_, Fault>>()?, next))
    }

    /// The balance as it stands and the sum of the whole ledger.
    pub async fn account(&self, customer: &CustomerId) -> Result<(i64, i64), Fault> {
        let balance = self.get(&self.tables.customers, &keys::points(customer)).await?;
        let balance = balance.map_or(Ok(0), |row| whole(&row, "balance"))?;
        Ok((balance, self.sum(&self.tables.customers, &keys::customer(customer), keys::LEDGER, "amount").await?))
    }

    /// The units left as they stand and the sum of all movements.
    pub async fn stock_and_movements(&self, product: &ProductId) -> Result<(i64, i64), Fault> {
        let stock = self.get(&self.tables.products, &keys::stock(product)).await?;
        let quantity = stock.map_or(Ok(0), |row| whole(&row, "quantity"))?;
        Ok((quantity, self.sum(&self.tables.products, &keys::product(product), keys::MOVE, "delta").await?))
    }

    /// The ledger entries by which these orders say they were paid, in the same order.
    pub async fn entries_of(&self, orders: &[Order]) -> Result<Vec<Option<Entry>>, Fault> {
        let table = self.tables.customers.as_str();
        let key = |order: &Order| keys::ledger(&order.customer_id, &order.ledger_entry);
        let mut found = self.batch_get(orders.iter().map(|order| (table, key(order)))).await?;
        orders.iter().map(|order| found.take(&key(order)).map(read).transpose()).collect()
    }

    /// By whose ledger entry each of these orders says it was paid, in the same order.
    pub async fn ledger_entries_named_by(
        &self,
        orders: &[OrderId],
    ) -> Result<Vec<Option<(CustomerId, EntryId)>>, Fault> {
        let table = self.tables.orders.as_str();
        let mut wanted = orders.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = self.batch_get(wanted.iter().map(|id| (table, keys::order(id)))).await?;
        let mut named = std::collections::HashMap::new();
        for id in wanted {
            let order = found.take(&keys::order(&id)).map(PlacedOrder::of).transpose()?;
            named.insert(id, order.map(|placed| (placed.order.customer_id, placed.order.ledger_entry)));
        }
        Ok(orders.iter().map(|id| named.get(id).cloned().flatten()).collect())
    }

    /// The last audit.
    pub async fn audit(&self) -> Result<Option<Audit>, Fault> {
        self.get(&self.tables.views, &keys::audit()).await?.map(read).transpose()
    }

    /// Keeps an audit, unless a later one is already there.
    pub async fn put_audit(&self, audit: &Audit) -> Result<(), Fault> {
        let put = Write::put(&self.tables.views, row(&keys::audit(), audit)?);
        let put = put.when("attribute_not_exists(pk) OR auditedAt <= :at").value(":at", text(audit.audited_at));
        match Transaction::default().with(put, ()).commit(self).await {
            Ok(()) | Err(NotCommitted::Refused(_)) => Ok(()),
            Err(NotCommitted::Fault(fault)) => Err(fault),
        }
    }

    async fn scan(&self, table: &str, from: Option<Place>) -> Result<(Vec<Item>, Option<Place>), Fault> {
        let call = || {
            let request = self.client.scan().table_name(table).consistent_read(true).limit(PAGE);
            request.set_exclusive_start_key(from.clone()).send()
        };
        let answer = self.ask(call).await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    /// The sum of one attribute over the rows of a partition.
    async fn sum(&self, table: &str, pk: &str, prefix: &str, attribute: &str) -> Result<i64, Fault> {
        let query = Query { table, pk, prefix, newest_first: false };
        let mut page = PageRequest { limit: 1000, after: None };
        let mut sum = 0;
        loop {
            let rows = self.query(&query, &page).await?;
            for item in &rows.entries {
                sum += whole(item, attribute)?;
            }
            page.after = rows.next;
            if page.after.is_none() {
                return Ok(sum);
            }
        }
    }
}

fn account_row(item: Item) -> Result<Option<(CustomerId, AccountRow)>, Fault> {
    let Key { pk, sk } = key_of(&item)?;
    let customer = || CustomerId::parse(pk.trim_start_matches("CUSTOMER#")).map_err(Fault::broken);
    if sk == "POINTS" {
        return Ok(Some((customer()?, AccountRow::Balance(whole(&item, "balance")?))));
    }
    if sk.starts_with(keys::LEDGER) { Ok(Some((customer()?, AccountRow::Entry(read(item)?)))) } else { Ok(None) }
}

fn stock_row(item: &Item) -> Result<Option<(ProductId, StockRow)>, Fault> {
    let Key { pk, sk } = key_of(item)?;
    let row = if sk.starts_with("STOCK#") {
        StockRow::Quantity(whole(item, "quantity")?)
    } else if sk.starts_with(keys::MOVE) {
        StockRow::Movement(whole(item, "delta")?)
    } else {
        return Ok(None);
    };
    Ok(Some((ProductId::parse(pk.trim_start_matches("PRODUCT#")).map_err(Fault::broken)?, row)))
}

fn key_of(item: &Item) -> Result<Key, Fault> {
    Ok(Key { pk: string(item, "pk")?.to_owned(), sk: string(item, "sk")?.to_owned() })
}
