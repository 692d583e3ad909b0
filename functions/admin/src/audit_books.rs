//! `audit-books` checks the books against their laws (invariants) every day, while the shop is open
//! (장부 감사).
//!
//! It reads every row, one page at a time. Memory holds at most one page, one customer's sum, one
//! order's attempts and the sums of some thousands of products. Rows change while the audit reads
//! them, so a mismatch is at first only a suspicion. The rows are read again, and a violation is
//! reported only if nothing changed in between. An item that changes all the time is not counted as
//! checked. It is named in the log and left to the next audit.

mod campaigns;
mod channels;
mod charges;
mod customers;
mod holds;
mod orders;
mod read_models;
mod stocks;

use domain::Fault;
use edge::{Function, Signal, Tick, signal};
use std::collections::HashMap;
use store::{
    Store,
    audits::{Audit, Law, Violation},
};

/// The sum of all ledger entries of a customer is the balance.
const LEDGER: &str = "ledger-sums-to-balance";
/// Every order paid with points has exactly one ledger entry, of its total, and a second one that
/// refunds it if the order was aborted (cancelled, rejected or expired). Every entry for an order
/// is one that the order names.
const PAID_ONCE: &str = "order-paid-by-one-entry";
/// Every order paid by card was charged by exactly one attempt, of its total. If the order was
/// aborted, the charge is refunded or being refunded. No other attempt charged.
const CHARGED_ONCE: &str = "order-charged-by-one-attempt";
/// The result of every attempt to charge a card is known within a day, and a refund is made within
/// a day.
const SETTLED: &str = "attempt-settled-in-a-day";
/// Points were added exactly if the card was charged, with one ledger entry of the same amount.
/// Every entry for a charge is the one that the charge names.
const CARD_CHARGED: &str = "points-charged-as-card";
/// Every stock is the number of units put in minus the number of units sold.
const STOCK: &str = "stock-is-put-in-less-sold";
/// No balance and no stock is negative.
const NOT_NEGATIVE: &str = "nothing-negative";
/// No source has issued more coupons than its quantity, and as many coupons exist as it has
/// counted.
const ISSUED: &str = "coupons-issued-as-counted";
/// The units reserved for a customer are those of the customer's unpaid orders.
const HELD: &str = "unpaid-orders-are-held";
/// A rider's open deliveries are the orders that the rider picked up and has not delivered, and no
/// more than a rider may have.
const CARRIED: &str = "rider-has-open-deliveries";
/// A used coupon names exactly the one order that uses it. No aborted order uses a coupon.
const USED_ONCE: &str = "coupon-used-by-one-order";

/// Every completed order is counted once for its customer, and nothing else is counted.
const COUNTED: &str = "completed-order-counted-once";
/// The view of every order equals the order, unless the order changed within the last hour.
const VIEWED: &str = "order-view-is-the-order";
/// Every paid order of a store is on the store's board in its current state, unless it changed
/// within the last hour or ended a month ago.
const BOARDED: &str = "store-order-on-its-board";
/// Every paid order that a campaign brought is among the campaign's orders in its current state,
/// unless it changed within the last hour.
const ATTRIBUTED: &str = "campaign-order-is-the-order";
/// The day sums of every campaign equal the sums of its orders.
const SUMMED: &str = "campaign-days-sum-their-orders";
/// The stock movements of every channel order equal its reservations.
const TOOK: &str = "channel-order-took-its-stock";
/// Every channel order reserves no more units than were ordered, and each of the channel's products
/// once.
const RESERVED: &str = "channel-order-reserves-what-it-has";
/// Every channel order is in its channel's list, in its current status.
const LISTED: &str = "channel-order-is-listed";
/// A delivery waits for a rider exactly while its order is cooked, with a delay of at most one
/// hour.
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

/// The maximum number of violations in a report: a DynamoDB item holds at most 400 KB.
const MAX_VIOLATIONS: usize = 300;

/// How often a suspicion is checked before it is left to the next audit.
const LOOKS: usize = 3;

/// The `audit-books` handler.
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
    let law = |law: &str| Law {
        law: law.to_owned(),
        checked: findings.checked.get(law).copied().unwrap_or_default(),
    };
    let audit =
        Audit { audited_at: tick.now, laws: LAWS.map(law).into(), violations: findings.violations };
    for violation in &audit.violations {
        tracing::error!(law = violation.law, key = violation.key, "the audit found a violation");
        signal(Signal::AuditViolation);
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

    fn violation(
        &mut self,
        law: &str,
        key: String,
        expected: impl ToString,
        actual: impl ToString,
    ) {
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

/// Logs that an item is left to the next audit.
fn leave(law: &str, key: impl std::fmt::Display) {
    tracing::warn!(%key, law, "not audited: it kept changing");
}
