//! What a change of an order moves besides the order itself: stock, a coupon, points, a charge.

use crate::{
    EntryId, Won,
    order::Order,
    payment::{PaymentMethod, PaymentStatus},
    points::EntryKind,
};

/// What moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// Whether the stock of every line, and the coupon if there is one, come back.
    pub releases_stock: bool,
    /// The ledger entry that is written, why, and by how much the balance changes.
    pub points: Option<(EntryId, EntryKind, Won)>,
    /// The attempt at the gateway whose charge goes back.
    pub refunds_attempt: Option<u32>,
}

/// What moves when the order `before` becomes the order `after`, one event later.
pub fn effects(before: &Order, after: &Order) -> Effects {
    let (was, is) = (&before.payment, &after.payment);
    let paid = is.ledger_entry.clone().filter(|_| was.ledger_entry.is_none());
    let refunded = is.refund_entry.clone().filter(|_| was.refund_entry.is_none());
    let points = match (paid, refunded) {
        (Some(entry), _) => Some((entry, EntryKind::Use, -is.amount)),
        (None, Some(entry)) => Some((entry, EntryKind::Refund, is.amount)),
        (None, None) => None,
    };
    let goes_back =
        is.method == PaymentMethod::Card && was.status == PaymentStatus::Paid && is.status == PaymentStatus::Refunding;
    Effects {
        releases_stock: after.status().is_aborted() && !before.status().is_aborted(),
        points,
        refunds_attempt: is.attempt.filter(|_| goes_back),
    }
}
