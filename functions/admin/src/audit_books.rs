//! `audit-books` holds the books against their laws, every day, while the shop is open.
//!
//! It reads every row a page at a time and keeps no more than a page, one customer's sum and [`PRODUCTS_AT_ONCE`]
//! products' sums in memory. Rows change while it reads, so a sum that does not fit is a suspicion, not a finding: it is
//! added up again, and believed only if the total it is held against did not move meanwhile. What moves all the time is
//! not counted as checked, is named in the log, and is left to the next audit.

use domain::{
    CustomerId, Fault, OrderId, ProductId,
    order::Order,
    points::{Entry, EntryKind},
};
use edge::{Function, Tick};
use std::collections::HashMap;
use store::{
    Store,
    books::{AccountRow, Audit, Law, StockRow, Violation},
};

/// The ledger explains the balance: all entries' sum is the balance.
const LEDGER: &str = "ledger-sums-to-balance";
/// Every paid order has exactly one ledger entry, of its total; every entry for an order is that order's.
const PAID_ONCE: &str = "order-paid-by-one-entry";
/// Every stock is what was put in less what was sold.
const STOCK: &str = "stock-is-put-in-less-sold";
/// No balance and no stock is below zero.
const NOT_NEGATIVE: &str = "nothing-negative";

/// Violations that a report holds at the most: a row of DynamoDB has 400 KB.
const MOST_VIOLATIONS: usize = 300;

/// Products whose sales are added up in one reading of all orders.
const PRODUCTS_AT_ONCE: usize = 10_000;

/// How often a suspicion is looked into before it is left to the next audit.
const LOOKS: usize = 3;

/// The function.
pub fn function() -> Function {
    Function::schedule("audit-books", |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let mut findings = Findings::default();
    audit_accounts(&store, &mut findings).await?;
    audit_orders(&store, &mut findings).await?;
    audit_stocks(&store, &mut findings).await?;
    let laws = [LEDGER, PAID_ONCE, STOCK, NOT_NEGATIVE];
    let law = |law: &str| Law { law: law.to_owned(), checked: findings.checked.get(law).copied().unwrap_or_default() };
    let audit = Audit { audited_at: tick.now, laws: laws.map(law).into(), violations: findings.violations };
    for violation in &audit.violations {
        tracing::error!(law = violation.law, key = violation.key, "the books break a law");
    }
    store.put_audit(&audit).await
}

#[derive(Default)]
struct Findings {
    checked: HashMap<&'static str, u64>,
    violations: Vec<Violation>,
}

impl Findings {
    fn checked(&mut self, law: &'static str) {
        *self.checked.entry(law).or_default() += 1;
    }

    fn violation(&mut self, law: &str, key: String, expected: impl ToString, actual: impl ToString) {
        if self.violations.len() < MOST_VIOLATIONS {
            let (expected, actual) = (expected.to_string(), actual.to_string());
            self.violations.push(Violation { law: law.to_owned(), key, expected, actual });
        }
    }

    fn not_negative(&mut self, key: impl FnOnce() -> String, value: i64) {
        self.checked(NOT_NEGATIVE);
        if value < 0 {
            self.violation(NOT_NEGATIVE, key(), "0 or more", value);
        }
    }
}

/// Holds every balance against its ledger, and every entry for an order against that order.
async fn audit_accounts(store: &Store, findings: &mut Findings) -> Result<(), Fault> {
    let mut current: Option<Account> = None;
    let mut place = None;
    loop {
        let (rows, next) = store.scan_accounts(place).await?;
        let mut used = Vec::new();
        for (customer, row) in rows {
            if current.as_ref().is_some_and(|account| account.customer != customer) {
                close(store, current.take(), findings).await?;
            }
            let account = current.get_or_insert_with(|| Account { customer: customer.clone(), sum: 0, balance: 0 });
            match row {
                AccountRow::Balance(balance) => account.balance = balance,
                AccountRow::Entry(entry) => {
                    account.sum += entry.amount.get();
                    if entry.kind == EntryKind::Use {
                        used.push((customer, entry));
                    }
                }
            }
        }
        audit_entries(store, &used, findings).await?;
        place = next;
        if place.is_none() {
            return close(store, current, findings).await;
        }
    }
}

/// A customer's rows as far as they are read.
struct Account {
    customer: CustomerId,
    sum: i64,
    balance: i64,
}

/// All rows of a customer are read: do they fit?
async fn close(store: &Store, account: Option<Account>, findings: &mut Findings) -> Result<(), Fault> {
    let Some(Account { customer, sum, balance }) = account else { return Ok(()) };
    findings.not_negative(|| format!("customer/{customer}"), balance);
    if sum == balance {
        findings.checked(LEDGER);
        return Ok(());
    }
    for _ in 0..LOOKS {
        let looks = [store.account(&customer).await?, store.account(&customer).await?];
        let [(balance, sum), _] = looks;
        if sum == balance || looks[0] == looks[1] {
            findings.checked(LEDGER);
            if sum != balance {
                findings.violation(LEDGER, format!("customer/{customer}"), sum, balance);
            }
            return Ok(());
        }
    }
    tracing::warn!(%customer, law = LEDGER, "moves too fast to be audited today");
    Ok(())
}

/// Holds ledger entries for orders against the orders: each must be the one that its order names.
async fn audit_entries(store: &Store, used: &[(CustomerId, Entry)], findings: &mut Findings) -> Result<(), Fault> {
    let orders: Vec<Option<OrderId>> = used.iter().map(|(_, entry)| OrderId::parse(&entry.reference).ok()).collect();
    let known: Vec<OrderId> = orders.iter().flatten().cloned().collect();
    let mut named = known.iter().zip(store.ledger_entries_named_by(&known).await?).map(|(_, named)| named);
    for ((customer, entry), order) in used.iter().zip(&orders) {
        findings.checked(PAID_ONCE);
        let named = order.as_ref().and_then(|_| named.next().flatten());
        if named.as_ref() != Some(&(customer.clone(), entry.entry_id.clone())) {
            let key = format!("entry/{customer}/{}", entry.entry_id);
            let actual =
                named.map_or_else(|| "no such order".to_owned(), |(of, named)| format!("the order names {of}/{named}"));
            findings.violation(PAID_ONCE, key, format!("the entry of order {}", entry.reference), actual);
        }
    }
    Ok(())
}

/// Holds every order against the ledger entry that it names.
async fn audit_orders(store: &Store, findings: &mut Findings) -> Result<(), Fault> {
    let mut place = None;
    loop {
        let (orders, next) = store.scan_orders(place).await?;
        for (order, entry) in orders.iter().zip(store.entries_of(&orders).await?) {
            findings.checked(PAID_ONCE);
            let expected = (-order.total_amount.get(), order.order_id.as_str());
            let actual = entry.as_ref().map(|entry| (entry.amount.get(), entry.reference.as_str()));
            if actual != Some(expected) {
                let told = |(amount, reference): (i64, &str)| format!("{amount} for {reference}");
                let actual = actual.map_or_else(|| "no entry".to_owned(), told);
                findings.violation(PAID_ONCE, format!("order/{}", order.order_id), told(expected), actual);
            }
        }
        place = next;
        if place.is_none() {
            return Ok(());
        }
    }
}

/// Holds every stock against what was put in and what was sold, some products at a time.
async fn audit_stocks(store: &Store, findings: &mut Findings) -> Result<(), Fault> {
    let mut batch: HashMap<ProductId, Stock> = HashMap::new();
    let mut place = None;
    loop {
        let (rows, next) = store.scan_stocks(place).await?;
        for (product, row) in rows {
            let stock = batch.entry(product).or_default();
            match row {
                StockRow::Quantity(quantity) => stock.quantity += quantity,
                StockRow::Movement(delta) => stock.put_in += delta,
            }
        }
        place = next;
        // The last product's rows may go on in the next page: it is simply read again when it does not fit.
        if place.is_none() || batch.len() >= PRODUCTS_AT_ONCE {
            audit_batch(store, std::mem::take(&mut batch), findings).await?;
        }
        if place.is_none() {
            return Ok(());
        }
    }
}

/// A product's units: those left, and the sum of all movements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stock {
    quantity: i64,
    put_in: i64,
}

async fn audit_batch(store: &Store, batch: HashMap<ProductId, Stock>, findings: &mut Findings) -> Result<(), Fault> {
    for (product, stock) in &batch {
        findings.not_negative(|| format!("product/{product}"), stock.quantity);
    }
    let mut suspects = batch;
    for _ in 0..LOOKS {
        let sold = sold(store, &suspects).await?;
        let mut moving = HashMap::new();
        for (product, before) in suspects {
            let expected = before.put_in - sold.get(&product).copied().unwrap_or_default();
            if expected == before.quantity {
                findings.checked(STOCK);
                continue;
            }
            let (quantity, put_in) = store.stock_and_movements(&product).await?;
            let after = Stock { quantity, put_in };
            if after == before {
                findings.checked(STOCK);
                findings.violation(STOCK, format!("product/{product}"), expected, before.quantity);
            } else {
                moving.insert(product, after);
            }
        }
        if moving.is_empty() {
            return Ok(());
        }
        suspects = moving;
    }
    for product in suspects.keys() {
        tracing::warn!(%product, law = STOCK, "moves too fast to be audited today");
    }
    Ok(())
}

/// Units of these products in all orders that have not given them back.
async fn sold(store: &Store, products: &HashMap<ProductId, Stock>) -> Result<HashMap<ProductId, i64>, Fault> {
    let mut sold = HashMap::new();
    let mut place = None;
    loop {
        let (orders, next) = store.scan_orders(place).await?;
        for Order { lines, .. } in orders.into_iter().filter(|order| !order.status.returns_stock()) {
            for line in lines.into_iter().filter(|line| products.contains_key(&line.product_id)) {
                *sold.entry(line.product_id).or_insert(0) += i64::from(line.quantity);
            }
        }
        place = next;
        if place.is_none() {
            return Ok(sold);
        }
    }
}
