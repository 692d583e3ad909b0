//! `audit-books` holds the books against their laws, every day, while the shop is open (장부 감사).
//!
//! It reads every row a page at a time and keeps no more than a page, one customer's sum, one order's attempts and some
//! thousands of products' sums in memory. Rows change while it reads, so what does not fit is a suspicion, not a finding:
//! it is looked at again, and believed only if nothing moved meanwhile. What moves all the time is not counted as checked,
//! is named in the log, and is left to the next audit.

mod campaigns;
mod channels;
mod charges;
mod customers;
mod holds;
mod orders;
mod read_models;
mod stocks;

use domain::Fault;
use edge::{Function, Tick};
use std::collections::HashMap;
use store::{
    Store,
    audits::{Audit, Law, Violation},
};

/// The ledger explains the balance: all entries' sum is the balance.
const LEDGER: &str = "ledger-sums-to-balance";
/// Every order paid with points has exactly one ledger entry, of its total, and one more that gives it back if the order
/// was called off; every entry for an order is that order's.
const PAID_ONCE: &str = "order-paid-by-one-entry";
/// Every order paid by card was charged by exactly one attempt, of its total; that of an order that was called off was
/// taken back, or is on its way. No other attempt charged.
const CHARGED_ONCE: &str = "order-charged-by-one-attempt";
/// What became of an attempt to charge a card is known, and what goes back is back, within a day.
const SETTLED: &str = "attempt-settled-in-a-day";
/// Points were charged by card exactly where the card was, with one ledger entry of the same amount; an entry for a charge is
/// that charge's.
const CARD_CHARGED: &str = "points-charged-as-card";
/// Every stock is what was put in less what was sold.
const STOCK: &str = "stock-is-put-in-less-sold";
/// No balance and no stock is below zero.
const NOT_NEGATIVE: &str = "nothing-negative";
/// No source has issued more coupons than it has, and there are as many as it counted.
const ISSUED: &str = "coupons-issued-as-counted";
/// What is held for a customer is what that customer's unpaid orders have.
const HELD: &str = "unpaid-orders-are-held";
/// The orders that a rider has are those that the rider picked up and has not delivered, at most as many as a rider may have.
const CARRIED: &str = "rider-has-open-deliveries";
/// A coupon is used by the one order that says so, and by none that was called off.
const USED_ONCE: &str = "coupon-used-by-one-order";

/// Every completed order is counted once for its customer, and nothing else is.
const COUNTED: &str = "completed-order-counted-once";
/// The view of every order that has not moved within the hour is what the order says.
const VIEWED: &str = "order-view-is-the-order";
/// Every paid order of a store that has not moved within the hour, nor ended a month ago, is on the store's board as it stands.
const BOARDED: &str = "store-order-on-its-board";
/// Every paid order that a campaign brought and that has not moved within the hour is among the campaign's as it stands.
const ATTRIBUTED: &str = "campaign-order-is-the-order";
/// The day sums of every campaign are the sums of its orders.
const SUMMED: &str = "campaign-days-sum-their-orders";
/// Every order of a sales channel took from our stock what it says it did.
const TOOK: &str = "channel-order-took-its-stock";
/// What is reserved for an order of a sales channel is what the order has, each of the channel's products once.
const RESERVED: &str = "channel-order-reserves-what-it-has";
/// Every order of a sales channel is in its channel's list, in its status.
const LISTED: &str = "channel-order-is-listed";
/// A delivery waits for a rider exactly while its order is cooked, an hour after it was at the latest.
const WAITING: &str = "delivery-waits-while-cooked";

/// Every law, in the order of the report.
const LAWS: [&str; 20] = [
    LEDGER,
    PAID_ONCE,
    CHARGED_ONCE,
    SETTLED,
    CARD_CHARGED,
    STOCK,
    NOT_NEGATIVE,
    HELD,
    CARRIED,
    ISSUED,
    USED_ONCE,
    COUNTED,
    VIEWED,
    BOARDED,
    WAITING,
    ATTRIBUTED,
    SUMMED,
    TOOK,
    RESERVED,
    LISTED,
];

/// Violations that a report holds at the most: a row of DynamoDB has 400 KB.
const MAX_VIOLATIONS: usize = 300;

/// How often a suspicion is looked into before it is left to the next audit.
const LOOKS: usize = 3;

/// The function.
pub fn function() -> Function {
    Function::schedule("audit-books", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let mut findings = Findings::default();
    customers::audit(&store, &mut findings).await?;
    let brought_by = orders::audit(&store, &mut findings, tick.now).await?;
    campaigns::audit(&store, &brought_by, &mut findings).await?;
    stocks::audit(&store, &mut findings).await?;
    let law = |law: &str| Law { law: law.to_owned(), checked: findings.checked.get(law).copied().unwrap_or_default() };
    let audit = Audit { audited_at: tick.now, laws: LAWS.map(law).into(), violations: findings.violations };
    for violation in &audit.violations {
        tracing::error!(law = violation.law, key = violation.key, "the books break a law");
    }
    store.audits().put(&audit).await
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
        if self.violations.len() < MAX_VIOLATIONS {
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

/// Says that something is left to the next audit.
fn leave(law: &str, key: impl std::fmt::Display) {
    tracing::warn!(%key, law, "moves too fast to be audited today");
}
