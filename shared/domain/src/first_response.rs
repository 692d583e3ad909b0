//! The order as its first response showed it, without later changes. A repeated request gets the
//! same response, byte for byte.

use crate::{
    order::{Change, Order, Origin, State, Status},
    payment::{Payment, PaymentMethod, PaymentStatus},
};

impl Order {
    /// The order as it was when it was placed, without later changes: the content of its first
    /// response.
    pub fn as_placed(self) -> Self {
        let was_paid = self.timeline.first().is_some_and(|step| step.status == Status::Paid);
        let method = if was_paid { self.payment.method } else { PaymentMethod::Card };
        let mut payment = Payment::due(method, self.total_amount);
        if was_paid {
            (payment.status, payment.paid_at) = (PaymentStatus::Paid, Some(self.placed_at));
        }
        self.at_version(1, if was_paid { State::Paid } else { State::StockAllocated }, payment)
    }

    /// The order as it was when the card was charged. That charge must have been its second
    /// version.
    pub fn as_paid(self) -> Self {
        let mut payment = Payment::due(PaymentMethod::Card, self.total_amount);
        (payment.status, payment.paid_at) = (PaymentStatus::Paid, self.payment.paid_at);
        self.at_version(2, State::Paid, payment)
    }

    /// The order at `version`. Each change up to this version must have been a new status, because
    /// the timeline is cut to one step per version.
    fn at_version(mut self, version: u32, state: State, payment: Payment) -> Self {
        self.timeline.truncate(usize::try_from(version).unwrap_or(usize::MAX));
        self.updated_at = self.timeline.last().map_or(self.placed_at, |step| step.at);
        let last_change = Change::Status(state.status());
        Self { version, last_change, origin: Origin::Own(state), payment, ..self }
    }
}
