//! Changes of orders: every write that a change means, in one transaction. Whoever changes an order goes through here, so
//! that no way of calling one off can forget to give something back.

use crate::{NotCommitted, Orders, Transaction, orders::PlacedOrder};
use domain::{
    Fault, ProductId,
    effects::{Effects, effects},
    order::{Order, Status},
    points::{Entry, EntryKind},
};

/// What a condition means that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    /// The order changed since it was read, or one of its attempts did: look again.
    Changed,
    /// The balance is too low to pay.
    PointsShort,
    /// The balance has no room for what comes back.
    BalanceFull,
    /// The rider has as many orders as may be.
    RiderFull,
    /// Something that belongs to the order is not as the order says: the books are broken.
    Books(Misfit),
}

/// What does not fit its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// A ledger entry exists already.
    Entry,
    /// A product of the order has no stock.
    Stock(ProductId),
    /// The coupon is not used by the order.
    Coupon,
    /// The order holds no stock.
    Hold,
    /// The rider does not have the order.
    Rider,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// The order, or one of its attempts, changed since it was read: look again.
    #[error("the order changed meanwhile")]
    Stale,
    /// The balance is too low to pay.
    #[error("the balance is too low")]
    PointsShort,
    /// The balance has no room for what comes back.
    #[error("the balance has no room")]
    BalanceFull,
    /// The rider has as many orders as may be.
    #[error("the rider has too many orders")]
    RiderFull,
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl NotChanged {
    /// The fault that it is where neither points nor time play a part: what changed meanwhile is busy, anything else broken.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Stale => Fault::busy(self),
            Self::PointsShort | Self::BalanceFull | Self::RiderFull => Fault::broken(self),
        }
    }
}

impl Orders<'_> {
    /// Everything that must be written when an order becomes `after`; more writes can go with it.
    pub fn transition(self, before: &Order, after: &PlacedOrder) -> Result<Transaction<Unmet>, Fault> {
        let order = &after.order;
        let (id, customer) = (&order.order_id, &order.customer_id);
        let Effects { gives_back, points, refunds_attempt } = effects(before, order);
        let replaced = self.0.orders().replace(after, before.version)?;
        let mut change = Transaction::default().with(replaced, Unmet::Changed);
        if before.status() == Status::StockAllocated && order.status() != Status::StockAllocated {
            change = change.with(self.0.holds().release(customer, id), Unmet::Books(Misfit::Hold));
        }
        let (had, has) = (before.state.rider_on_the_way(), order.state.rider_on_the_way());
        if had != has {
            if let Some(rider) = had {
                change = change.with(self.0.riders().remove_delivery(rider, id), Unmet::Books(Misfit::Rider));
            }
            if let Some(rider) = has {
                change = change.with(self.0.riders().add_delivery(rider, id), Unmet::RiderFull);
            }
        }
        if gives_back {
            for line in &order.lines {
                let misfit = Misfit::Stock(line.product_id.clone());
                change = change.with(self.0.stock().release(&line.product_id, line.quantity), Unmet::Books(misfit));
            }
            if let Some(coupon) = &order.coupon_id {
                change = change.with(self.0.coupons().mark_unused(customer, coupon, id), Unmet::Books(Misfit::Coupon));
            }
        }
        if let Some((entry_id, kind, amount)) = points {
            change = match kind {
                EntryKind::Use => change.with(self.0.points().debit(customer, -amount), Unmet::PointsShort),
                EntryKind::Refund | EntryKind::Charge => {
                    change.with(self.0.points().credit(customer, amount), Unmet::BalanceFull)
                }
            };
            let entry = Entry { entry_id, kind, amount, reference: id.to_string(), reason: None, at: order.updated_at };
            change = change.with(self.0.points().append_ledger_entry(customer, &entry)?, Unmet::Books(Misfit::Entry));
        }
        if let Some(attempt) = refunds_attempt {
            change = change.with(self.0.attempts().refund(id, attempt, order.updated_at)?, Unmet::Changed);
        }
        Ok(change)
    }

    /// Commits a change.
    pub async fn commit(self, change: Transaction<Unmet>) -> Result<(), NotChanged> {
        match change.commit(self.0).await {
            Ok(()) => Ok(()),
            Err(NotCommitted::Fault(fault)) => Err(fault.into()),
            Err(NotCommitted::Failed(refusals)) => {
                let because: Vec<Unmet> = refusals.into_iter().map(|failed| failed.condition).collect();
                if because.contains(&Unmet::Changed) {
                    // Whatever else does not fit may not fit for that reason.
                    Err(NotChanged::Stale)
                } else if because.contains(&Unmet::PointsShort) {
                    Err(NotChanged::PointsShort)
                } else if because.contains(&Unmet::BalanceFull) {
                    Err(NotChanged::BalanceFull)
                } else if because.contains(&Unmet::RiderFull) {
                    Err(NotChanged::RiderFull)
                } else {
                    Err(Fault::broken(format!("the books do not fit the order: {because:?}")).into())
                }
            }
        }
    }
}
