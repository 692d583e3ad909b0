//! The side effects of an order's transition: on stock, a coupon, points and a card charge.

use crate::{
    EntryId, Won,
    order::Order,
    payment::{PaymentMethod, PaymentStatus},
    points::EntryKind,
};

/// The side effects of one transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// Whether the stock of every line is released, and the coupon if the order has one.
    pub releases_stock: bool,
    /// The ledger entry to append: its id, its kind and the change of the balance.
    pub points: Option<(EntryId, EntryKind, Won)>,
    /// The payment attempt whose charge is refunded.
    pub refunds_attempt: Option<u32>,
}

/// The side effects of one event that changes the order `before` into the order `after`.
pub fn effects(before: &Order, after: &Order) -> Effects {
    let (was, is) = (&before.payment, &after.payment);
    let paid = is.ledger_entry.clone().filter(|_| was.ledger_entry.is_none());
    let refunded = is.refund_entry.clone().filter(|_| was.refund_entry.is_none());
    let points = match (paid, refunded) {
        (Some(entry), _) => Some((entry, EntryKind::Use, -is.amount)),
        (None, Some(entry)) => Some((entry, EntryKind::Refund, is.amount)),
        (None, None) => None,
    };
    let is_refunding = is.method == PaymentMethod::Card
        && was.status == PaymentStatus::Paid
        && is.status == PaymentStatus::Refunding;
    Effects {
        releases_stock: after.status().is_aborted() && !before.status().is_aborted(),
        points,
        refunds_attempt: is.attempt.filter(|_| is_refunding),
    }
}
