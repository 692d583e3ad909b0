//! Order transitions: every write of a transition, in one transaction.
//!
//! Every change of an order's state goes through this module, so no cancellation can forget to
//! refund points or to release stock.

use crate::{CommitError, Orders, Transaction, orders::PlacedOrder};
use domain::{
    Fault, ProductId,
    effects::{Effects, effects},
    order::{Order, Status},
    points::{Entry, EntryKind},
};

/// A condition of a transition's transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitionCondition {
    /// The order and its attempts are unchanged since they were read. If not, read them again.
    Unchanged,
    /// The balance covers the payment.
    SufficientBalance,
    /// The balance stays within its limit after a refund.
    BalanceLimit,
    /// The rider has fewer orders than the limit.
    RiderLimit,
    /// Data that belongs to the order is consistent with it. If not, the stored data is corrupt.
    Consistent(Inconsistency),
}

/// Data that is inconsistent with its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inconsistency {
    /// A ledger entry exists already.
    LedgerEntry,
    /// A product of the order has no stock row.
    Stock(ProductId),
    /// The coupon is not marked as used by the order.
    Coupon,
    /// The order has no stock reservation.
    Reservation,
    /// The order is not among the rider's open deliveries.
    Rider,
}

/// Why a transition was not committed.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    /// The order, or one of its attempts, changed since it was read: read it again.
    #[error("the order changed in the meantime")]
    Conflict,
    /// The balance is too low to pay.
    #[error("the balance is too low")]
    InsufficientBalance,
    /// A refund would exceed the limit of the balance.
    #[error("the refund would exceed the limit of the balance")]
    BalanceLimit,
    /// The rider has reached the limit of open deliveries.
    #[error("the rider has reached the limit of open deliveries")]
    RiderLimit,
    /// The store failed, or its data is inconsistent.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl TransitionError {
    /// Converts the error where no refusal applies, because neither a balance nor a rider is
    /// involved: a conflict is busy, everything else is broken.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Conflict => Fault::busy(self),
            Self::InsufficientBalance | Self::BalanceLimit | Self::RiderLimit => {
                Fault::broken(self)
            }
        }
    }
}

impl Orders<'_> {
    /// Builds every write that changes the order `before` to `after`. The caller may add writes.
    pub fn transition(
        self,
        before: &Order,
        after: &PlacedOrder,
    ) -> Result<Transaction<TransitionCondition>, Fault> {
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
        let (had, has) = (before.rider_on_the_way(), order.rider_on_the_way());
        if had != has {
            if let Some(rider) = had {
                change = change.with(
                    self.0.riders().remove_delivery(rider, id),
                    TransitionCondition::Consistent(Inconsistency::Rider),
                );
            }
            if let Some(rider) = has {
                change = change
                    .with(self.0.riders().add_delivery(rider, id), TransitionCondition::RiderLimit);
            }
        }
        if releases_stock {
            for line in &order.lines {
                let inconsistency = Inconsistency::Stock(line.product_id.clone());
                change = change.with(
                    self.0.stock().release(&line.product_id, line.quantity),
                    TransitionCondition::Consistent(inconsistency),
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
                EntryKind::Use => change.with(
                    self.0.points().debit(customer, -amount),
                    TransitionCondition::SufficientBalance,
                ),
                EntryKind::Refund | EntryKind::Charge => change.with(
                    self.0.points().credit(customer, amount),
                    TransitionCondition::BalanceLimit,
                ),
            };
            let by = order.timeline.last().map(|step| step.by.clone());
            let (reference, at) = (id.to_string(), order.updated_at);
            let entry = Entry { entry_id, kind, amount, reference, reason: None, by, at };
            change = change.with(
                self.0.points().append_ledger_entry(customer, &entry)?,
                TransitionCondition::Consistent(Inconsistency::LedgerEntry),
            );
        }
        if let Some(attempt) = refunds_attempt {
            change = change.with(
                self.0.attempts().refund(id, attempt, order.updated_at)?,
                TransitionCondition::Unchanged,
            );
        }
        Ok(change)
    }

    /// Commits a transition.
    pub async fn commit(
        self,
        change: Transaction<TransitionCondition>,
    ) -> Result<(), TransitionError> {
        match change.commit(self.0).await {
            Ok(()) => Ok(()),
            Err(CommitError::Fault(fault)) => Err(fault.into()),
            Err(CommitError::Failed(failed)) => {
                let conditions: Vec<TransitionCondition> =
                    failed.into_iter().map(|failed| failed.condition).collect();
                if conditions.contains(&TransitionCondition::Unchanged) {
                    // Other conditions may have failed only because of that.
                    Err(TransitionError::Conflict)
                } else if conditions.contains(&TransitionCondition::SufficientBalance) {
                    Err(TransitionError::InsufficientBalance)
                } else if conditions.contains(&TransitionCondition::BalanceLimit) {
                    Err(TransitionError::BalanceLimit)
                } else if conditions.contains(&TransitionCondition::RiderLimit) {
                    Err(TransitionError::RiderLimit)
                } else {
                    Err(Fault::broken(format!(
                        "the stored data is inconsistent with the order: {conditions:?}"
                    ))
                    .into())
                }
            }
        }
    }
}
