//! The state machine of orders.
//!
//! Every kind of order has the same state machine. [`Order::decide`] returns the [`Event`] of a
//! [`Command`], or refuses the command. [`Order::apply`] applies the event. The side effects (on
//! points, stock, a coupon or a payment attempt) follow from the order before and after: see
//! [`crate::effects`].

use crate::{
    EntryId, RiderId, Timestamp,
    actor::Actor,
    delivery::{Handover, Shipment},
    order::{Change, Order, Origin, State, Status, Step},
    payment::{Payment, PaymentMethod, PaymentStatus},
};

/// A request for a transition of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The order is paid.
    Pay(PaymentSource),
    /// The gateway declined to charge the card.
    FailPayment,
    /// The payment deadline has passed.
    Expire,
    /// The customer cancels the order. The ledger entry `refund` refunds the points.
    Cancel {
        /// The customer's reason.
        reason: Option<String>,
        /// The ledger entry that refunds the points, if points were paid.
        refund: EntryId,
    },
    /// The store rejects the order. The ledger entry `refund` refunds the points.
    Reject {
        /// The store's reason.
        reason: Option<String>,
        /// The ledger entry that refunds the points, if points were paid.
        refund: EntryId,
    },
    /// The store accepts the order.
    Accept,
    /// The store starts cooking.
    StartCooking,
    /// The store finishes cooking.
    FinishCooking,
    /// A rider picks up the order.
    PickUp(RiderId),
    /// The rider does not deliver the order after all. Another rider may pick it up.
    Unassign,
    /// A carrier ships the order.
    Ship(Shipment),
    /// The customer has received the order.
    ConfirmDelivery,
    /// The card was charged by this attempt after the order had ended unpaid.
    RefundLate {
        /// The number of the attempt.
        attempt: u32,
    },
    /// The gateway has refunded the charge.
    FinishRefund,
}

/// What pays an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentSource {
    /// Points, with this ledger entry.
    Points(EntryId),
    /// A card, with this payment attempt.
    Card(u32),
}

/// A transition of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub what: EventKind,
    /// When it happened.
    pub at: Timestamp,
    /// Who caused it.
    pub by: Actor,
}

/// The kinds of transitions of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The status changed, and the payment did not.
    StatusChanged(State),
    /// The order was paid.
    Paid(PaymentSource),
    /// The order ended after it was paid with points. This ledger entry refunded them.
    PointsRefunded(State, EntryId),
    /// The order ended after a card was charged. The refund of the charge has started.
    CardRefunding(State),
    /// A payment was declined.
    PaymentFailed,
    /// The refund of a late charge has started.
    RefundStarted {
        /// The attempt that charged the card.
        attempt: u32,
    },
    /// The charge was refunded.
    Refunded,
}

/// Why a command is refused: the order has the wrong status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {is:?}")]
pub struct WrongStatus {
    /// The order's status.
    pub is: Status,
    /// The statuses in which the command is allowed. Empty if it is never allowed for this kind of
    /// order.
    pub expected: &'static [Status],
}

impl Order {
    /// Checks that a payment attempt may start at `now`.
    pub fn may_be_paid(&self, now: Timestamp) -> Result<(), WrongStatus> {
        let in_time = self.pay_by.is_some_and(|pay_by| now < pay_by);
        if self.status() == Status::StockAllocated && in_time {
            Ok(())
        } else {
            Err(self.wrong_status(&[Status::StockAllocated]))
        }
    }

    fn wrong_status(&self, expected: &'static [Status]) -> WrongStatus {
        WrongStatus { is: self.status(), expected }
    }

    /// Returns the event of a command, or refuses it. A payment that started in time is accepted
    /// even if the deadline has passed since.
    pub fn decide(
        &self,
        command: Command,
        by: Actor,
        now: Timestamp,
    ) -> Result<Event, WrongStatus> {
        let refusal = self.wrong_status(self.expected(&command));
        self.event_of(command, now).map(|what| Event { what, at: now, by }).ok_or(refusal)
    }

    /// The event of a command, if the order's state allows it.
    fn event_of(&self, command: Command, now: Timestamp) -> Option<EventKind> {
        use EventKind::StatusChanged;
        // Only its source changes an external or channel order.
        let Origin::Own(state) = &self.origin else { return None };
        let of_store = self.store_id.is_some();
        let is_overdue = self.pay_by.is_some_and(|pay_by| pay_by <= now);
        Some(match (command, state) {
            (Command::Pay(source), State::StockAllocated) => EventKind::Paid(source),
            (Command::FailPayment, State::StockAllocated) => EventKind::PaymentFailed,
            (Command::Expire, State::StockAllocated) if is_overdue => StatusChanged(State::Expired),
            (
                Command::Cancel { reason, refund },
                State::StockAllocated | State::Paid | State::Accepted,
            ) => self.aborted(State::Cancelled { reason }, refund),
            (Command::Reject { reason, refund }, State::Paid) if of_store => {
                self.aborted(State::Rejected { reason }, refund)
            }
            (Command::Accept, State::Paid) if of_store => StatusChanged(State::Accepted),
            (Command::StartCooking, State::Accepted) => StatusChanged(State::Cooking),
            (Command::FinishCooking, State::Cooking)
            | (Command::Unassign, State::PickedUp { .. }) => StatusChanged(State::Cooked),
            (Command::PickUp(rider_id), State::Cooked) => {
                StatusChanged(State::PickedUp { rider_id })
            }
            (Command::Ship(shipment), State::Paid) if !of_store => {
                StatusChanged(State::Shipped(shipment))
            }
            (Command::ConfirmDelivery, State::PickedUp { rider_id }) => {
                let rider_id = rider_id.clone();
                StatusChanged(State::Completed(Handover::Rider { rider_id }))
            }
            (Command::ConfirmDelivery, State::Shipped(shipment)) => {
                StatusChanged(State::Completed(Handover::Carrier(shipment.clone())))
            }
            (Command::RefundLate { attempt }, State::Cancelled { .. } | State::Expired)
                if self.is_unpaid() =>
            {
                EventKind::RefundStarted { attempt }
            }
            (Command::FinishRefund, _) if self.payment.status == PaymentStatus::Refunding => {
                EventKind::Refunded
            }
            (_, _) => return None,
        })
    }

    /// The statuses in which a command is possible for this kind of order.
    const fn expected(&self, command: &Command) -> &'static [Status] {
        if !matches!(self.origin, Origin::Own(_)) {
            return &[];
        }
        match (command, self.store_id.is_some()) {
            (Command::Pay(_) | Command::FailPayment | Command::Expire, _) => {
                &[Status::StockAllocated]
            }
            (Command::Cancel { .. }, _) => {
                &[Status::StockAllocated, Status::Paid, Status::Accepted]
            }
            (Command::Reject { .. } | Command::Accept, true) | (Command::Ship(_), false) => {
                &[Status::Paid]
            }
            (Command::StartCooking, true) => &[Status::Accepted],
            (Command::FinishCooking, true) => &[Status::Cooking],
            (Command::PickUp(_), true) => &[Status::Cooked],
            (Command::Unassign | Command::ConfirmDelivery, true) => &[Status::PickedUp],
            (Command::ConfirmDelivery, false) => &[Status::Shipped],
            (
                Command::Reject { .. }
                | Command::Accept
                | Command::StartCooking
                | Command::FinishCooking
                | Command::PickUp(_)
                | Command::Unassign,
                false,
            )
            | (Command::Ship(_), true) => &[],
            (Command::RefundLate { .. }, _) => &[Status::Cancelled, Status::Expired],
            (Command::FinishRefund, _) => &[Status::Cancelled, Status::Rejected, Status::Expired],
        }
    }

    /// Whether the order was never paid.
    fn is_unpaid(&self) -> bool {
        matches!(self.payment.status, PaymentStatus::Pending | PaymentStatus::Failed)
    }

    /// The event that ends the order. If nothing was paid, only the status changes. Points are
    /// refunded immediately. The refund of a card charge starts.
    fn aborted(&self, end: State, refund: EntryId) -> EventKind {
        match (self.payment.status, self.payment.method) {
            (PaymentStatus::Paid, PaymentMethod::Points) => EventKind::PointsRefunded(end, refund),
            (PaymentStatus::Paid, PaymentMethod::Card) => EventKind::CardRefunding(end),
            (
                PaymentStatus::Pending
                | PaymentStatus::Failed
                | PaymentStatus::Refunding
                | PaymentStatus::Refunded,
                PaymentMethod::Points | PaymentMethod::Card,
            )
            | (_, PaymentMethod::External) => EventKind::StatusChanged(end),
        }
    }

    /// The order after an event.
    #[must_use]
    pub fn apply(self, event: &Event) -> Self {
        let with_state = |order: Self, state: &State| Self {
            last_change: Change::Status(state.status()),
            timeline: order
                .timeline
                .into_iter()
                .chain([Step { status: state.status(), at: event.at, by: event.by.clone() }])
                .collect(),
            origin: Origin::Own(state.clone()),
            ..order
        };
        let with_payment_status = |order: Self, status: PaymentStatus, last_change: Change| Self {
            payment: Payment { status, ..order.payment },
            last_change,
            ..order
        };
        let order = Self { version: self.version + 1, updated_at: event.at, ..self };
        match &event.what {
            EventKind::StatusChanged(state) => with_state(order, state),
            EventKind::Paid(source) => {
                let mut paid = with_state(order, &State::Paid);
                (paid.payment.status, paid.payment.paid_at) = (PaymentStatus::Paid, Some(event.at));
                (paid.payment.method, paid.payment.ledger_entry, paid.payment.attempt) =
                    match source {
                        PaymentSource::Points(entry) => {
                            (PaymentMethod::Points, Some(entry.clone()), None)
                        }
                        PaymentSource::Card(attempt) => (PaymentMethod::Card, None, Some(*attempt)),
                    };
                paid
            }
            EventKind::PointsRefunded(state, entry) => {
                let mut ended = with_state(order, state);
                (ended.payment.status, ended.payment.refund_entry) =
                    (PaymentStatus::Refunded, Some(entry.clone()));
                ended
            }
            EventKind::CardRefunding(state) => {
                // Nothing was charged for an order that costs nothing.
                let charged = order.payment.attempt.is_some();
                let mut ended = with_state(order, state);
                ended.payment.status =
                    if charged { PaymentStatus::Refunding } else { PaymentStatus::Refunded };
                ended
            }
            EventKind::PaymentFailed => {
                with_payment_status(order, PaymentStatus::Failed, Change::PaymentFailed)
            }
            EventKind::RefundStarted { attempt } => {
                let mut late =
                    with_payment_status(order, PaymentStatus::Refunding, Change::RefundStarted);
                late.payment.attempt = Some(*attempt);
                late
            }
            EventKind::Refunded => {
                with_payment_status(order, PaymentStatus::Refunded, Change::Refunded)
            }
        }
    }
}
