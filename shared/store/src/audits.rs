//! The reads of the audit (every row, page by page), and the latest report.

use crate::{
    Audits, Item, StartKey, Store, Transaction, Write,
    attempts::{attempt_in, is_attempt},
    charges::CardCharge,
    customers::completed_in,
    item::{Key, read, row, string, text, whole},
    keys,
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

/// Rows read per scan request.
const PAGE: i32 = 500;

/// A row of the customers table that the audit checks. A customer's rows are adjacent.
#[derive(Debug)]
pub enum CustomerRow {
    /// A balance.
    Balance(CustomerId, i64),
    /// A ledger entry.
    Entry(CustomerId, Entry),
    /// A coupon.
    Coupon(CustomerId, Coupon),
    /// A completed order of the customer.
    Completed(CustomerId, OrderId),
    /// The customer's counter of completed orders.
    Profile(CustomerId, i64),
    /// The stock reserved by the customer's unpaid orders.
    Reservations(CustomerId, Reservations),
    /// A coupon source.
    Source(CouponSource),
}

/// A row of the orders table that the audit checks. Attempts come after the order or charge that
/// they pay.
#[derive(Debug)]
pub enum OrderRow {
    /// An own order.
    Order(Box<Order>),
    /// A charge of points by card.
    Charge(Box<CardCharge>),
    /// An attempt to pay an order or a charge.
    Attempt(Attempt),
    /// The open deliveries of a rider.
    OpenDeliveries(RiderId, BTreeSet<OrderId>),
    /// An external order.
    ExternalOrder(Box<Order>),
}

/// A row of the products table that the audit checks.
#[derive(Debug)]
pub enum StockRow {
    /// Units in stock. It is the last row of its product.
    Quantity(i64),
    /// Units added or removed by a stock movement.
    Movement(i64),
}

/// The report of one audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The time of the audit.
    pub audited_at: Timestamp,
    /// Each invariant, with the number of objects checked.
    pub laws: Vec<Law>,
    /// The violations found, limited to the first few hundred.
    pub violations: Vec<Violation>,
}

/// An invariant that the audit checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Law {
    /// The name of the invariant.
    pub law: String,
    /// The number of objects checked.
    pub checked: u64,
}

/// A violation of an invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Violation {
    /// The name of the invariant.
    pub law: String,
    /// The object that violates it: `customer/<id>`, `order/<id>`, `entry/<customer>/<id>`,
    /// `product/<id>`, `coupon/<id>`, `coupon-source/<id>`, `attempt/<order or charge>/<n>`,
    /// `charge/<id>` or `rider/<id>`.
    pub key: String,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub actual: String,
}

impl Audits<'_> {
    /// A page of the customers table, and the start of the next page.
    pub async fn scan_customers(
        self,
        from: Option<StartKey>,
    ) -> Result<(Vec<CustomerRow>, Option<StartKey>), Fault> {
        let (items, next) = self.scan(&self.0.tables.customers, from).await?;
        let rows = items.into_iter().filter_map(|item| customer_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// A page of stocks, and the start of the next page. A product's rows are adjacent, its
    /// quantity last.
    pub async fn scan_stocks(
        self,
        from: Option<StartKey>,
    ) -> Result<(Vec<(ProductId, StockRow)>, Option<StartKey>), Fault> {
        let (items, next) = self.scan(&self.0.tables.products, from).await?;
        let rows = items.iter().filter_map(|item| stock_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// A page of the orders table, and the start of the next page.
    pub async fn scan_orders(
        self,
        from: Option<StartKey>,
    ) -> Result<(Vec<OrderRow>, Option<StartKey>), Fault> {
        let (items, next) = self.scan(&self.0.tables.orders, from).await?;
        let rows = items.into_iter().filter_map(|item| order_row(item).transpose());
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// A customer's current balance, and the sum of the whole ledger.
    pub async fn balance_and_ledger(self, customer: &CustomerId) -> Result<(i64, i64), Fault> {
        let balance = self.0.get(&self.0.tables.customers, &keys::points(customer)).await?;
        let balance = balance.map_or(Ok(0), |row| whole(&row, "balance"))?;
        Ok((
            balance,
            self.0
                .sum(&self.0.tables.customers, &keys::customer(customer), keys::LEDGER, "amount")
                .await?,
        ))
    }

    /// A product's current stock, and the sum of all its movements.
    pub async fn stock_and_movements(self, product: &ProductId) -> Result<(i64, i64), Fault> {
        let stock = self.0.get(&self.0.tables.products, &keys::stock(product)).await?;
        let quantity = stock.map_or(Ok(0), |row| whole(&row, "quantity"))?;
        Ok((
            quantity,
            self.0
                .sum(&self.0.tables.products, &keys::product(product), keys::MOVE, "delta")
                .await?,
        ))
    }

    /// Ledger entries, in the order of the keys. `None` where an entry does not exist.
    pub async fn ledger_entries(
        self,
        of: &[(CustomerId, EntryId)],
    ) -> Result<Vec<Option<Entry>>, Fault> {
        self.rows(
            &self.0.tables.customers,
            of.iter().map(|(customer, entry)| keys::ledger(customer, entry)),
            read,
        )
        .await
    }

    /// Coupons, in the order of the keys. `None` where a coupon does not exist.
    pub async fn coupons(
        self,
        of: &[(CustomerId, CouponId)],
    ) -> Result<Vec<Option<Coupon>>, Fault> {
        self.rows(
            &self.0.tables.customers,
            of.iter().map(|(customer, coupon)| keys::coupon(customer, coupon)),
            read,
        )
        .await
    }

    /// Orders, in the order of the ids. `None` where an order does not exist.
    pub async fn orders(self, ids: &[OrderId]) -> Result<Vec<Option<Order>>, Fault> {
        let order = |item| Ok(PlacedOrder::of(item)?.order);
        self.rows(&self.0.tables.orders, ids.iter().map(keys::order), order).await
    }

    /// Rows, in the order of the keys. A key may occur more than once.
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

    /// A coupon and an order in one snapshot.
    pub async fn coupon_and_order(
        self,
        (customer, coupon): (&CustomerId, &CouponId),
        order: &OrderId,
    ) -> Result<(Option<Coupon>, Option<Order>), Fault> {
        let (coupon, order) = (keys::coupon(customer, coupon), keys::order(order));
        let wanted = [
            (self.0.tables.customers.as_str(), coupon.clone()),
            (self.0.tables.orders.as_str(), order.clone()),
        ];
        let mut found = self.0.snapshot(wanted).await?;
        let order = found.take(&order).map(PlacedOrder::of).transpose()?.map(|placed| placed.order);
        Ok((found.take(&coupon).map(read).transpose()?, order))
    }

    /// A customer's stock reservations and an order in one snapshot.
    pub async fn holds_and_order(
        self,
        customer: &CustomerId,
        order: &OrderId,
    ) -> Result<(Reservations, Option<Order>), Fault> {
        let (holds, order) = (keys::holds(customer), keys::order(order));
        let wanted = [
            (self.0.tables.customers.as_str(), holds.clone()),
            (self.0.tables.orders.as_str(), order.clone()),
        ];
        let mut found = self.0.snapshot(wanted).await?;
        let order = found.take(&order).map(PlacedOrder::of).transpose()?.map(|placed| placed.order);
        Ok((holds_in(found.take(&holds))?, order))
    }

    /// A rider's open deliveries and an order in one snapshot.
    pub async fn open_deliveries_and_order(
        self,
        rider: &RiderId,
        order: &OrderId,
    ) -> Result<(BTreeSet<OrderId>, Option<Order>), Fault> {
        let (table, deliveries, order) =
            (self.0.tables.orders.as_str(), keys::open_deliveries(rider), keys::order(order));
        let mut found =
            self.0.snapshot([(table, deliveries.clone()), (table, order.clone())]).await?;
        let order = found.take(&order).map(PlacedOrder::of).transpose()?.map(|placed| placed.order);
        let deliveries = found.take(&deliveries).map(|row| open_deliveries_in(&row)).transpose()?;
        Ok((deliveries.unwrap_or_default(), order))
    }

    /// The latest report.
    pub async fn last(self) -> Result<Option<Audit>, Fault> {
        self.0.get(&self.0.tables.views, &keys::audit()).await?.map(read).transpose()
    }

    /// Stores a report, unless a later one is stored.
    pub async fn put(self, audit: &Audit) -> Result<(), Fault> {
        let put = Write::put(&self.0.tables.views, row(&keys::audit(), audit)?);
        let put = put
            .when("attribute_not_exists(pk) OR auditedAt <= :at")
            .value(":at", text(audit.audited_at));
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await.map(drop)
    }

    async fn scan(
        self,
        table: &str,
        from: Option<StartKey>,
    ) -> Result<(Vec<Item>, Option<StartKey>), Fault> {
        let call = || {
            let request = self.0.client.scan().table_name(table).consistent_read(true).limit(PAGE);
            request.set_exclusive_start_key(from.clone()).send()
        };
        let response = self.0.send(call).await?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key))
    }
}

impl Store {
    /// Sums an attribute over the rows of a partition whose sort key begins with `prefix`.
    pub(crate) async fn sum(
        &self,
        table: &str,
        pk: &str,
        prefix: &str,
        attribute: &str,
    ) -> Result<i64, Fault> {
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
    } else if sk == keys::EXTERNAL_ORDER {
        Some(OrderRow::ExternalOrder(Box::new(read(item)?)))
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
