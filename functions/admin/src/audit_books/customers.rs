//! The rows of customers: balances, ledger entries and coupons; and the sources of coupons.

use super::{
    COUNTED, Findings, ISSUED, LEDGER, LOOKS, PAID_ONCE, USED_ONCE, charges, holds, leave,
};
use domain::{
    CouponSourceId, CustomerId, Fault, OrderId,
    coupon::Coupon,
    order::{Order, Status},
    points::{Entry, EntryKind},
};
use std::collections::BTreeMap;
use store::{Store, audits::CustomerRow};

/// Checks every balance against its ledger, every entry and every used coupon against its order,
/// and every source against its coupons.
pub(super) async fn audit(store: &Store, findings: &mut Findings) -> Result<(), Fault> {
    let mut current: Option<Account> = None;
    let mut sources: BTreeMap<CouponSourceId, u64> = BTreeMap::new();
    let mut place = None;
    loop {
        let (rows, next) = store.audits().scan_customers(place).await?;
        let (mut used, mut charged, mut used_coupons, mut completed) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let (CustomerRow::Balance(customer, _)
            | CustomerRow::Entry(customer, _)
            | CustomerRow::Coupon(customer, _)
            | CustomerRow::Completed(customer, _)
            | CustomerRow::Reservations(customer, _)
            | CustomerRow::Profile(customer, _)) = &row
            else {
                if let CustomerRow::Source(source) = row {
                    sources.entry(source.source_id).or_default();
                }
                continue;
            };
            if current.as_ref().is_some_and(|account| account.customer != *customer) {
                close(store, current.take(), findings).await?;
            }
            let account = current.get_or_insert_with(|| Account::of(customer));
            match row {
                CustomerRow::Balance(_, balance) => account.balance = balance,
                CustomerRow::Entry(customer, entry) => {
                    account.sum += entry.amount.get();
                    let of_its_kind =
                        if entry.kind == EntryKind::Charge { &mut charged } else { &mut used };
                    of_its_kind.push((customer, entry));
                }
                CustomerRow::Coupon(customer, coupon) => {
                    *sources.entry(coupon.source_id.clone()).or_default() += 1;
                    used_coupons
                        .extend(coupon.used_by.clone().map(|order| (customer, coupon, order)));
                }
                CustomerRow::Completed(customer, order) => {
                    account.counted += 1;
                    completed.push((customer, order));
                }
                CustomerRow::Reservations(customer, held) => {
                    holds::audit_holds(store, &customer, &held, findings).await?;
                }
                CustomerRow::Profile(_, in_profile) => account.in_profile = in_profile,
                CustomerRow::Source(_) => {}
            }
        }
        audit_entries(store, &used, findings).await?;
        charges::audit_entries(store, &charged, findings).await?;
        audit_completed(store, &completed, findings).await?;
        audit_used(store, &used_coupons, findings).await?;
        place = next;
        if place.is_none() {
            close(store, current, findings).await?;
            return audit_sources(store, sources, findings).await;
        }
    }
}

/// The totals of a customer's rows that have been read so far.
struct Account {
    customer: CustomerId,
    /// The sum of the ledger entries.
    sum: i64,
    /// The stored balance.
    balance: i64,
    /// The number of rows of completed orders.
    counted: i64,
    /// The number of completed orders in the profile.
    in_profile: i64,
}

impl Account {
    fn of(customer: &CustomerId) -> Self {
        Self { customer: customer.clone(), sum: 0, balance: 0, counted: 0, in_profile: 0 }
    }
}

/// Checks the totals of a customer, once all rows are read.
async fn close(
    store: &Store,
    account: Option<Account>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    let Some(Account { customer, sum, balance, counted, in_profile }) = account else {
        return Ok(());
    };
    let key = format!("customer/{customer}");
    findings.not_negative(|| key.clone(), balance);
    if in_profile == counted
        || agree(COUNTED, &key, || store.customers().completed_orders(&customer), findings).await?
    {
        findings.checked(COUNTED);
    }
    if sum == balance
        || agree(LEDGER, &key, || store.audits().balance_and_ledger(&customer), findings).await?
    {
        findings.checked(LEDGER);
    }
    Ok(())
}

/// Reads a stored total and the sum of its parts until they agree or no longer change. Returns
/// `false` if they keep changing.
async fn agree<Fut: Future<Output = Result<(i64, i64), Fault>>>(
    law: &str,
    key: &str,
    read: impl Fn() -> Fut,
    findings: &mut Findings,
) -> Result<bool, Fault> {
    for _ in 0..LOOKS {
        let readings = [read().await?, read().await?];
        let [(stored, sum), _] = readings;
        if stored != sum && readings[0] == readings[1] {
            findings.violation(law, key.to_owned(), sum, stored);
        }
        if stored == sum || readings[0] == readings[1] {
            return Ok(true);
        }
    }
    leave(law, key);
    Ok(false)
}

/// Checks ledger entries for orders against the orders: each must be the one that its order names.
async fn audit_entries(
    store: &Store,
    used: &[(CustomerId, Entry)],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let ids: Vec<Option<OrderId>> =
        used.iter().map(|(_, entry)| OrderId::parse(&entry.reference).ok()).collect();
    let known: Vec<OrderId> = ids.iter().flatten().cloned().collect();
    let mut orders = store.audits().orders(&known).await?.into_iter();
    for ((customer, entry), id) in used.iter().zip(&ids) {
        findings.checked(PAID_ONCE);
        let order = id.as_ref().and_then(|_| orders.next().flatten());
        let named = order.map(|Order { customer_id, payment, .. }| {
            let named = if entry.kind == EntryKind::Refund {
                payment.refund_entry
            } else {
                payment.ledger_entry
            };
            (customer_id, named)
        });
        if named.as_ref() != Some(&(customer.clone(), Some(entry.entry_id.clone()))) {
            let key = format!("entry/{customer}/{}", entry.entry_id);
            let actual = match named {
                None => "no such order".to_owned(),
                Some((_, None)) => "the order names none".to_owned(),
                Some((of, Some(named))) => format!("the order names {of}/{named}"),
            };
            findings.violation(
                PAID_ONCE,
                key,
                format!("the entry of order {}", entry.reference),
                actual,
            );
        }
    }
    Ok(())
}

/// Checks counted orders against the orders: each must be completed, which is final, and belong to
/// the customer.
async fn audit_completed(
    store: &Store,
    completed: &[(CustomerId, OrderId)],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let ids: Vec<OrderId> = completed.iter().map(|(_, order)| order.clone()).collect();
    for ((customer, order_id), order) in completed.iter().zip(store.audits().orders(&ids).await?) {
        findings.checked(COUNTED);
        let is_complete =
            |order: &Order| order.status() == Status::Completed && order.customer_id == *customer;
        if !order.as_ref().is_some_and(is_complete) {
            let actual = order.map_or_else(
                || "no such order".to_owned(),
                |order| format!("{:?}", order.status()),
            );
            findings.violation(
                COUNTED,
                format!("order/{order_id}"),
                format!("complete, of {customer}"),
                actual,
            );
        }
    }
    Ok(())
}

/// Checks used coupons against the orders that use them.
async fn audit_used(
    store: &Store,
    used: &[(CustomerId, Coupon, OrderId)],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let ids: Vec<OrderId> = used.iter().map(|(.., order)| order.clone()).collect();
    for ((customer, coupon, order_id), order) in used.iter().zip(store.audits().orders(&ids).await?)
    {
        findings.checked(USED_ONCE);
        if !order.is_some_and(|order| uses(&order, coupon)) {
            // An order that was aborted between the two reads has released the coupon: read both in
            // one snapshot.
            let (now, order) =
                store.audits().coupon_and_order((customer, &coupon.coupon_id), order_id).await?;
            let still_used = now.filter(|now| now.used_by.as_ref() == Some(order_id));
            if still_used.is_some_and(|now| !order.is_some_and(|order| uses(&order, &now))) {
                let (key, expected) =
                    (format!("coupon/{}", coupon.coupon_id), format!("order {order_id} uses it"));
                findings.violation(USED_ONCE, key, expected, "it does not");
            }
        }
    }
    Ok(())
}

/// Whether an order uses a coupon. An aborted order does not.
fn uses(order: &Order, coupon: &Coupon) -> bool {
    order.coupon_id.as_ref() == Some(&coupon.coupon_id) && !order.status().is_aborted()
}

/// Checks sources against the counted coupons. Coupons are issued in the meantime, but never
/// removed.
async fn audit_sources(
    store: &Store,
    mut suspects: BTreeMap<CouponSourceId, u64>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    // The number of coupons that a source had issued when the counting began. It is unknown for the
    // first count.
    let mut before: BTreeMap<CouponSourceId, i64> = BTreeMap::new();
    for attempt in 0..=LOOKS {
        let mut changed = BTreeMap::new();
        for (source_id, counted) in suspects {
            let source = store.coupons().source(&source_id).await?.map(|put| put.source);
            let (issued, quantity) =
                source.map_or((0, 0), |source| (source.issued, source.quantity));
            let is_equal = u64::try_from(issued) == Ok(counted);
            if is_equal || before.get(&source_id) == Some(&issued) {
                findings.checked(ISSUED);
                let key = || format!("coupon-source/{source_id}");
                if !is_equal {
                    findings.violation(ISSUED, key(), issued, counted);
                }
                if issued > quantity {
                    findings.violation(ISSUED, key(), format!("at most {quantity}"), issued);
                }
            } else {
                before.insert(source_id.clone(), issued);
                changed.insert(source_id, 0);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        if attempt == LOOKS {
            for source in changed.keys() {
                leave(ISSUED, source);
            }
            return Ok(());
        }
        suspects = count_coupons(store, changed).await?;
    }
    Ok(())
}

/// Counts the coupons of some sources again.
async fn count_coupons(
    store: &Store,
    mut counts: BTreeMap<CouponSourceId, u64>,
) -> Result<BTreeMap<CouponSourceId, u64>, Fault> {
    let mut place = None;
    loop {
        let (rows, next) = store.audits().scan_customers(place).await?;
        for row in rows {
            if let CustomerRow::Coupon(_, coupon) = row
                && let Some(count) = counts.get_mut(&coupon.source_id)
            {
                *count += 1;
            }
        }
        place = next;
        if place.is_none() {
            return Ok(counts);
        }
    }
}
