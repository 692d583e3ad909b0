//! Changes of orders: every write that a change means, in one transaction. Whoever changes an order goes through here, so
//! that no way of calling one off can forget to give something back.

use crate::{CommitError, Orders, Transaction, orders::PlacedOrder};
use domain::{
    Fault, ProductId,
    effects::{Effects, effects},
    order::{Order, Status},
    points::{Entry, EntryKind},
};

/// What a condition means that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitionCondition {
    /// The order changed since it was read, or one of its attempts did: look again.
    Unchanged,
    /// The balance is too low to pay.
    SufficientBalance,
    /// The balance has no room for what comes back.
    BalanceLimit,
    /// The rider has as many orders as may be.
    RiderLimit,
    /// Something that belongs to the order is not as the order says: the books are broken.
    Consistent(Inconsistency),
}

/// What does not fit its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inconsistency {
    /// A ledger entry exists already.
    LedgerEntry,
    /// A product of the order has no stock.
    Stock(ProductId),
    /// The coupon is not used by the order.
    Coupon,
    /// The order holds no stock.
    Reservation,
    /// The rider does not have the order.
    Rider,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    /// The order, or one of its attempts, changed since it was read: look again.
    #[error("the order changed meanwhile")]
    Conflict,
    /// The balance is too low to pay.
    #[error("the balance is too low")]
    InsufficientBalance,
    /// The balance has no room for what comes back.
    #[error("the balance has no room")]
    BalanceLimit,
    /// The rider has as many orders as may be.
    #[error("the rider has too many orders")]
    RiderLimit,
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl TransitionError {
    /// The fault that it is where neither points nor time play a part: what changed meanwhile is busy, anything else broken.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Conflict => Fault::busy(self),
            Self::InsufficientBalance | Self::BalanceLimit | Self::RiderLimit => Fault::broken(self),
        }
    }
}

impl Orders<'_> {
    /// Everything that must be written when an order becomes `after`; more writes can go with it.
    pub fn transition(self, before: &Order, after: &PlacedOrder) -> Result<Transaction<TransitionCondition>, Fault> {
        let order = &after.order;
        let (id, customer) = (&order.order_id, &order.customer_id);
        let Effects { releases_stock, points, refunds_attempt } = effects(before, order);
        let replaced = self.0.orders().replace(after, before.version)?;
        let mut change = Transaction::default().with(replaced, TransitionCondition::Unchanged);
        if before.status() == Status::StockAllocated && order.status() != Status::StockAllocated {
            change = change.with(
                self.0.reservations().release(customer, id),
                TransitionCondition::Consistent(Inconsistency::Reservation),
            );
        }
        let (had, has) = (before.state.rider_on_the_way(), order.state.rider_on_the_way());
        if had != has {
            if let Some(rider) = had {
                change = change.with(
                    self.0.riders().remove_delivery(rider, id),
                    TransitionCondition::Consistent(Inconsistency::Rider),
                );
            }
            if let Some(rider) = has {
                change = change.with(self.0.riders().add_delivery(rider, id), TransitionCondition::RiderLimit);
            }
        }
        if releases_stock {
            for line in &order.lines {
                let misfit = Inconsistency::Stock(line.product_id.clone());
                change = change.with(
                    self.0.stock().release(&line.product_id, line.quantity),
                    TransitionCondition::Consistent(misfit),
                );
            }
            if let Some(coupon) = &order.coupon_id {
                change = change.with(
                    self.0.coupons().mark_unused(customer, coupon, id),
                    TransitionCondition::Consistent(Inconsistency::Coupon),
                );
            }
        }
        if let Some((entry_id, kind, amount)) = points {
            change = match kind {
                EntryKind::Use => {
                    change.with(self.0.points().debit(customer, -amount), TransitionCondition::SufficientBalance)
                }
                EntryKind::Refund | EntryKind::Charge => {
                    change.with(self.0.points().credit(customer, amount), TransitionCondition::BalanceLimit)
                }
            };
            let entry = Entry { entry_id, kind, amount, reference: id.to_string(), reason: None, at: order.updated_at };
            change = change.with(
                self.0.points().append_ledger_entry(customer, &entry)?,
                TransitionCondition::Consistent(Inconsistency::LedgerEntry),
            );
        }
        if let Some(attempt) = refunds_attempt {
            change =
                change.with(self.0.attempts().refund(id, attempt, order.updated_at)?, TransitionCondition::Unchanged);
        }
        Ok(change)
    }

    /// Commits a change.
    pub async fn commit(self, change: Transaction<TransitionCondition>) -> Result<(), TransitionError> {
        match change.commit(self.0).await {
            Ok(()) => Ok(()),
            Err(CommitError::Fault(fault)) => Err(fault.into()),
            Err(CommitError::Failed(refusals)) => {
                let because: Vec<TransitionCondition> = refusals.into_iter().map(|failed| failed.condition).collect();
                if because.contains(&TransitionCondition::Unchanged) {
                    // Whatever else does not fit may not fit for that reason.
                    Err(TransitionError::Conflict)
                } else if because.contains(&TransitionCondition::SufficientBalance) {
                    Err(TransitionError::InsufficientBalance)
                } else if because.contains(&TransitionCondition::BalanceLimit) {
                    Err(TransitionError::BalanceLimit)
                } else if because.contains(&TransitionCondition::RiderLimit) {
                    Err(TransitionError::RiderLimit)
                } else {
                    Err(Fault::broken(format!("the books do not fit the order: {because:?}")).into())
                }
            }
        }
    }
}
