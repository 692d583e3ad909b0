//! The books as an auditor reads them: every row, a page at a time, and the last audit's report.

use crate::{
    Audits, Item, Store, Transaction, Write,
    attempts::{attempt_in, is_attempt},
    charges::CardCharge,
    customers::completed_in,
    external_orders::ExternalOrderRow,
    item::{read, row, string, text, whole},
    keys::{self, Key},
    orders::PlacedOrder,
    read::Query,
    reservations::holds_in,
    riders::open_deliveries_in,
};
use domain::{
    CouponId, CustomerId, EntryId, Fault, OrderId, ProductId, RiderId, Timestamp,
    coupon::{Coupon, CouponSource},
    order::Order,
    payment::Attempt,
    points::Entry,
    reservations::Reservations,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// Rows read at once.
const PAGE: i32 = 500;

/// A row of the customers table, as far as the books go. Each customer's rows come together.
#[derive(Debug)]
pub enum CustomerRow {
    /// A balance.
    Balance(CustomerId, i64),
    /// A ledger entry.
    Entry(CustomerId, Entry),
    /// A coupon.
    Coupon(CustomerId, Coupon),
    /// An order that the customer has got.
    Completed(CustomerId, OrderId),
    /// How many orders the customer has got.
    Profile(CustomerId, i64),
    /// What the unpaid orders of the customer hold.
    Reservations(CustomerId, Reservations),
    /// A source of coupons.
    Source(CouponSource),
}

/// A row of the orders table, as far as the books go. Attempts come after the order or the charge that they pay.
#[derive(Debug)]
pub enum OrderRow {
    /// An order.
    Order(Box<Order>),
    /// Points that a customer charges by card.
    Charge(Box<CardCharge>),
    /// An attempt to pay an order or a charge.
    Attempt(Attempt),
    /// The orders that a rider has.
    OpenDeliveries(RiderId, BTreeSet<OrderId>),
    /// An order that another system made.
    Collected(Box<ExternalOrderRow>),
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
    /// What breaks it: `customer/<id>`, `order/<id>`, `entry/<customer>/<id>`, `product/<id>`, `coupon/<id>`,
    /// `coupon-source/<id>`, `attempt/<order or charge>/<n>`, `charge/<id>` or `rider/<id>`.
    pub key: String,
    /// What should be.
    pub expected: String,
    /// What is.
    pub actual: String,
}

impl Audits<'_> {
    /// A page of the customers table, and where the next page begins.
    pub async fn scan_customers(self, from: Option<Place>) -> Result<(Vec<CustomerRow>, Option<Place>), Fault> {
        let (items, next) = self.scan(&self.0.tables.customers, from).await?;
        let rows = items.into_iter().filter_map(|item| customer_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// A page of stocks, each product's rows together and the quantity last, and where the next page begins.
    pub async fn scan_stocks(self, from: Option<Place>) -> Result<(Vec<(ProductId, StockRow)>, Option<Place>), Fault> {
        let (items, next) = self.scan(&self.0.tables.products, from).await?;
        let rows = items.iter().filter_map(|item| stock_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// A page of the orders table, and where the next page begins.
    pub async fn scan_orders(self, from: Option<Place>) -> Result<(Vec<OrderRow>, Option<Place>), Fault> {
        let (items, next) = self.scan(&self.0.tables.orders, from).await?;
        let rows = items.into_iter().filter_map(|item| order_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// The balance as it stands and the sum of the whole ledger.
    pub async fn balance_and_ledger(self, customer: &CustomerId) -> Result<(i64, i64), Fault> {
        let balance = self.0.get(&self.0.tables.customers, &keys::points(customer)).await?;
        let balance = balance.map_or(Ok(0), |row| whole(&row, "balance"))?;
        Ok((balance, self.0.sum(&self.0.tables.customers, &keys::customer(customer), keys::LEDGER, "amount").await?))
    }

    /// The units left as they stand and the sum of all movements.
    pub async fn stock_and_movements(self, product: &ProductId) -> Result<(i64, i64), Fault> {
        let stock = self.0.get(&self.0.tables.products, &keys::stock(product)).await?;
        let quantity = stock.map_or(Ok(0), |row| whole(&row, "quantity"))?;
        Ok((quantity, self.0.sum(&self.0.tables.products, &keys::product(product), keys::MOVE, "delta").await?))
    }

    /// Ledger entries, in the same order; those that do not exist are none.
    pub async fn ledger_entries(self, of: &[(CustomerId, EntryId)]) -> Result<Vec<Option<Entry>>, Fault> {
        self.rows(&self.0.tables.customers, of.iter().map(|(customer, entry)| keys::ledger(customer, entry)), read)
            .await
    }

    /// Coupons, in the same order; those that do not exist are none.
    pub async fn coupons(self, of: &[(CustomerId, CouponId)]) -> Result<Vec<Option<Coupon>>, Fault> {
        self.rows(&self.0.tables.customers, of.iter().map(|(customer, coupon)| keys::coupon(customer, coupon)), read)
            .await
    }

    /// Orders, in the same order; those that do not exist are none.
    pub async fn orders(self, ids: &[OrderId]) -> Result<Vec<Option<Order>>, Fault> {
        let order = |item| Ok(PlacedOrder::of(item)?.order);
        self.rows(&self.0.tables.orders, ids.iter().map(keys::order), order).await
    }

    /// Rows in the order of their keys, of which one may be named more than once.
    async fn rows<T: Clone>(
        self,
        table: &str,
        keys: impl Iterator<Item = Key>,
        read: impl Fn(Item) -> Result<T, Fault>,
    ) -> Result<Vec<Option<T>>, Fault> {
        let keys: Vec<(String, String)> = keys.map(|Key { pk, sk }| (pk, sk)).collect();
        let wanted: BTreeSet<&(String, String)> = keys.iter().collect();
        let key = |(pk, sk): &(String, String)| Key { pk: pk.clone(), sk: sk.clone() };
        let mut found = self.0.batch_get(wanted.iter().map(|wanted| (table, key(wanted)))).await?;
        let mut rows = HashMap::new();
        for wanted in wanted {
            rows.insert(wanted, found.take(&key(wanted)).map(&read).transpose()?);
        }
        Ok(keys.iter().map(|key| rows.get(key).cloned().flatten()).collect())
    }

    /// A coupon and an order as they were at one moment.
    pub async fn coupon_and_order(
        self,
        (customer, coupon): (&CustomerId, &CouponId),
        order: &OrderId,
    ) -> Result<(Option<Coupon>, Option<Order>), Fault> {
        let (coupon, order) = (keys::coupon(customer, coupon), keys::order(order));
        let wanted =
            [(self.0.tables.customers.as_str(), coupon.clone()), (self.0.tables.orders.as_str(), order.clone())];
        let mut found = self.0.snapshot(wanted).await?;
        let order = found.take(&order).map(PlacedOrder::of).transpose()?.map(|placed| placed.order);
        Ok((found.take(&coupon).map(read).transpose()?, order))
    }

    /// What the unpaid orders of a customer hold, and an order, as they were at one moment.
    pub async fn holds_and_order(
        self,
        customer: &CustomerId,
        order: &OrderId,
    ) -> Result<(Reservations, Option<Order>), Fault> {
        let (holds, order) = (keys::holds(customer), keys::order(order));
        let wanted =
            [(self.0.tables.customers.as_str(), holds.clone()), (self.0.tables.orders.as_str(), order.clone())];
        let mut found = self.0.snapshot(wanted).await?;
        let order = found.take(&order).map(PlacedOrder::of).transpose()?.map(|placed| placed.order);
        Ok((holds_in(found.take(&holds))?, order))
    }

    /// The orders that a rider has, and an order, as they were at one moment.
    pub async fn open_deliveries_and_order(
        self,
        rider: &RiderId,
        order: &OrderId,
    ) -> Result<(BTreeSet<OrderId>, Option<Order>), Fault> {
        let (table, deliveries, order) =
            (self.0.tables.orders.as_str(), keys::open_deliveries(rider), keys::order(order));
        let mut found = self.0.snapshot([(table, deliveries.clone()), (table, order.clone())]).await?;
        let order = found.take(&order).map(PlacedOrder::of).transpose()?.map(|placed| placed.order);
        let deliveries = found.take(&deliveries).map(|row| open_deliveries_in(&row)).transpose()?;
        Ok((deliveries.unwrap_or_default(), order))
    }

    /// The last audit.
    pub async fn last(self) -> Result<Option<Audit>, Fault> {
        self.0.get(&self.0.tables.views, &keys::audit()).await?.map(read).transpose()
    }

    /// Keeps an audit, unless a later one is already there.
    pub async fn put(self, audit: &Audit) -> Result<(), Fault> {
        let put = Write::put(&self.0.tables.views, row(&keys::audit(), audit)?);
        let put = put.when("attribute_not_exists(pk) OR auditedAt <= :at").value(":at", text(audit.audited_at));
        Transaction::default().with(put, ()).commit_if_new(self.0).await.map(drop)
    }

    async fn scan(self, table: &str, from: Option<Place>) -> Result<(Vec<Item>, Option<Place>), Fault> {
        let call = || {
            let request = self.0.client.scan().table_name(table).consistent_read(true).limit(PAGE);
            request.set_exclusive_start_key(from.clone()).send()
        };
        let answer = self.0.ask(call).await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}

impl Store {
    /// The sum of one attribute over the rows of a partition.
    pub(crate) async fn sum(&self, table: &str, pk: &str, prefix: &str, attribute: &str) -> Result<i64, Fault> {
        let query = Query { table, pk, prefix, newest_first: false };
        let mut sum = 0;
        self.query_each(&query, |item| {
            sum += whole(&item, attribute)?;
            Ok(())
        })
        .await?;
        Ok(sum)
    }
}

fn customer_row(item: Item) -> Result<Option<CustomerRow>, Fault> {
    let Key { pk, sk } = key_of(&item)?;
    if sk == "SOURCE" {
        return Ok(Some(CustomerRow::Source(read(item)?)));
    }
    let customer = || CustomerId::parse(pk.trim_start_matches("CUSTOMER#")).map_err(Fault::broken);
    Ok(if sk == "POINTS" {
        Some(CustomerRow::Balance(customer()?, whole(&item, "balance")?))
    } else if sk.starts_with(keys::LEDGER) {
        Some(CustomerRow::Entry(customer()?, read(item)?))
    } else if sk.starts_with(keys::COUPON) {
        Some(CustomerRow::Coupon(customer()?, read(item)?))
    } else if let Some(order) = sk.strip_prefix(keys::COMPLETED) {
        Some(CustomerRow::Completed(customer()?, OrderId::parse(order).map_err(Fault::broken)?))
    } else if sk == keys::HOLDS {
        Some(CustomerRow::Reservations(customer()?, holds_in(Some(item))?))
    } else if sk == keys::PROFILE {
        Some(CustomerRow::Profile(customer()?, completed_in(&item)?))
    } else {
        None
    })
}

fn order_row(item: Item) -> Result<Option<OrderRow>, Fault> {
    let Key { pk, sk } = key_of(&item)?;
    Ok(if sk == "ORDER" {
        Some(OrderRow::Order(Box::new(PlacedOrder::of(item)?.order)))
    } else if is_attempt(&sk) {
        Some(OrderRow::Attempt(attempt_in(item)?))
    } else if sk == keys::CHARGE {
        Some(OrderRow::Charge(Box::new(read(item)?)))
    } else if sk == keys::OPEN_DELIVERIES {
        let rider = RiderId::parse(pk.trim_start_matches(keys::RIDER)).map_err(Fault::broken)?;
        Some(OrderRow::OpenDeliveries(rider, open_deliveries_in(&item)?))
    } else if sk == keys::COLLECTED {
        Some(OrderRow::Collected(Box::new(ExternalOrderRow::of(item)?)))
    } else {
        None
    })
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
