//! What an order was when its first answer was given, whatever has happened since: a repeat of the request is answered the
//! same, byte for byte.

use crate::{
    order::{Change, Order, State, Status},
    payment::{Payment, PaymentMethod, PaymentStatus},
};

impl Order {
    /// The order as it was when it was placed, whatever happened since: what its first answer said.
    pub fn as_placed(self) -> Self {
        let was_paid = self.timeline.first().is_some_and(|step| step.status == Status::Paid);
        let method = if was_paid { self.payment.method } else { PaymentMethod::Card };
        let mut payment = Payment::due(method, self.total_amount);
        if was_paid {
            (payment.status, payment.paid_at) = (PaymentStatus::Paid, Some(self.placed_at));
        }
        self.back_then(1, if was_paid { State::Paid } else { State::StockAllocated }, payment)
    }

    /// The order as it was when the card was charged, of an order whose second version that was.
    pub fn as_paid(self) -> Self {
        let mut payment = Payment::due(PaymentMethod::Card, self.total_amount);
        (payment.status, payment.paid_at) = (PaymentStatus::Paid, self.payment.paid_at);
        self.back_then(2, State::Paid, payment)
    }

    /// The order of a version at which each change so far had been another status.
    fn back_then(mut self, version: u32, state: State, payment: Payment) -> Self {
        self.timeline.truncate(usize::try_from(version).unwrap_or(usize::MAX));
        self.updated_at = self.timeline.last().map_or(self.placed_at, |step| step.at);
        Self { version, last_change: Change::Status(state.status()), state, payment, ..self }
    }
}
