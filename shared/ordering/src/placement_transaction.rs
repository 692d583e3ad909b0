//! The transaction that places an order, and what a failed condition of it means.

use domain::{
    Failure, ProductId, StoreId,
    order::Order,
    payment::Attempt,
    points::{Entry, EntryKind},
    reservations::Reservations,
};
use store::{
    CommitError, FailedCondition, Store, Transaction, carts::CartLine, orders::PlacedOrder,
};

/// What a condition asserts.
#[derive(Debug)]
enum Condition {
    /// The product has enough units, at this price, and may be sold.
    Stock,
    /// The coupon is valid and not used.
    Coupon,
    /// The balance suffices.
    Balance,
    /// The ledger entry is new.
    LedgerEntry,
    /// The payment attempt is new.
    Attempt,
    /// The customer's reservations are as they were read.
    Reservations,
    /// The store is open.
    StoreOpen(StoreId),
    /// The line of the cart is as it was read.
    CartLine(ProductId),
    /// The order is new.
    NewOrder,
}

/// Why the transaction was not committed.
#[derive(Debug)]
pub(crate) enum FailedPlacement {
    /// The order exists: the request is a repeat.
    Exists(Box<PlacedOrder>),
    /// A line of the cart changed.
    CartChanged(ProductId),
    /// The store is closed; nothing else is wrong.
    StoreClosed(StoreId),
    /// Something else changed: the terms must be read.
    TermsChanged,
}

/// Writes an order with everything that follows from it, or nothing.
pub(crate) async fn commit(
    store: &Store,
    placed: &PlacedOrder,
    holds: Option<&Reservations>,
    attempt: Option<&Attempt>,
    cart: &[CartLine],
) -> Result<Result<(), FailedPlacement>, Failure> {
    let order = &placed.order;
    let Order { order_id, customer_id, total_amount, store_id, placed_at, .. } = order;
    let mut transaction = Transaction::default();
    for line in &order.lines {
        let take =
            store.stock().take(&line.product_id, line.quantity, line.unit_price, store_id.as_ref());
        transaction = transaction.with(take, Condition::Stock);
    }
    if let Some(store_id) = store_id {
        transaction = transaction
            .with(store.stores().check_open(store_id), Condition::StoreOpen(store_id.clone()));
    }
    if let Some(coupon) = &order.coupon_id {
        transaction = transaction.with(
            store.coupons().mark_used(customer_id, coupon, order_id, *placed_at),
            Condition::Coupon,
        );
    }
    if let Some(entry_id) = order.payment.ledger_entry.clone() {
        let (kind, amount, reference) = (EntryKind::Use, -*total_amount, order_id.to_string());
        let by = order.timeline.last().map(|step| step.by.clone());
        let entry = Entry { entry_id, kind, amount, reference, reason: None, by, at: *placed_at };
        transaction = transaction
            .with(store.points().debit(customer_id, *total_amount), Condition::Balance)
            .with(store.points().append_ledger_entry(customer_id, &entry)?, Condition::LedgerEntry);
    }
    if let Some(holds) = holds {
        transaction = transaction
            .with(store.reservations().put(customer_id, holds)?, Condition::Reservations);
    }
    if let Some(attempt) = attempt {
        transaction = transaction.with(store.attempts().put(attempt)?, Condition::Attempt);
    }
    for line in cart {
        let condition = Condition::CartLine(line.product_id.clone());
        transaction = transaction.with(store.carts().take_line(customer_id, line), condition);
    }
    match transaction.with(store.orders().put(placed)?, Condition::NewOrder).commit(store).await {
        Ok(()) => Ok(Ok(())),
        Err(CommitError::Failed(conditions)) => {
            let failed = conditions.iter().map(|failed| &failed.condition).collect::<Vec<_>>();
            tracing::debug!(?failed, "an order was not placed");
            Ok(Err(meaning(conditions)?))
        }
        Err(CommitError::Fault(fault)) => Err(fault.into()),
    }
}

/// What the failed conditions mean together. That the order exists takes precedence over everything
/// else.
fn meaning(conditions: Vec<FailedCondition<Condition>>) -> Result<FailedPlacement, Failure> {
    if let [FailedCondition { condition: Condition::StoreOpen(store_id), .. }] = &conditions[..] {
        return Ok(FailedPlacement::StoreClosed(store_id.clone()));
    }
    let mut meaning = FailedPlacement::TermsChanged;
    for FailedCondition { condition, row } in conditions {
        match (condition, row) {
            (Condition::NewOrder, Some(row)) => {
                return Ok(FailedPlacement::Exists(Box::new(PlacedOrder::of(row)?)));
            }
            (Condition::CartLine(product), _) => meaning = FailedPlacement::CartChanged(product),
            (
                Condition::Stock
                | Condition::Coupon
                | Condition::Balance
                | Condition::LedgerEntry
                | Condition::Attempt
                | Condition::Reservations
                | Condition::StoreOpen(_)
                | Condition::NewOrder,
                _,
            ) => {}
        }
    }
    Ok(meaning)
}
