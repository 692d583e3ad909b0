//! What may happen to an order.
//!
//! One state machine for every kind of order. [`Order::decide`] says what a [`Command`] comes to, or why not;
//! [`Order::apply`] makes it so. What that moves (points, stock, a coupon, an attempt at the gateway) follows from the two
//! orders before and after: [`crate::effects`].

use crate::{
    EntryId, RiderId, Timestamp,
    actor::Actor,
    delivery::{Handover, Shipment},
    order::{Change, Order, State, Status, Step},
    payment::{Payment, PaymentMethod, PaymentStatus},
};

/// What somebody wants to happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// It is paid.
    Pay(PaymentSource),
    /// The gateway declined to charge the card.
    FailPayment,
    /// Its time to be paid is over.
    Expire,
    /// The customer calls it off. Points come back by the entry `refund`.
    Cancel {
        /// Why.
        reason: Option<String>,
        /// The entry that gives points back, if there are any to give back.
        refund: EntryId,
    },
    /// The store refuses it. Points come back by the entry `refund`.
    Reject {
        /// Why.
        reason: Option<String>,
        /// The entry that gives points back, if there are any to give back.
        refund: EntryId,
    },
    /// The store takes it.
    Accept,
    /// The store begins to cook.
    StartCooking,
    /// The store has cooked.
    FinishCooking,
    /// A rider takes it.
    PickUp(RiderId),
    /// The rider does not bring it after all: another one may take it.
    Unassign,
    /// A carrier takes it.
    Ship(Shipment),
    /// The customer has it.
    ConfirmDelivery,
    /// The card was charged by this attempt although the order had ended unpaid.
    RefundLate {
        /// Which attempt.
        attempt: u32,
    },
    /// The gateway has taken the charge back.
    FinishRefund,
}

/// What pays an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentSource {
    /// Points, by this ledger entry.
    Points(EntryId),
    /// A card, by this attempt at the gateway.
    Card(u32),
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub what: EventKind,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: Actor,
}

/// What can happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// It moved, and its payment stayed as it was.
    StatusChanged(State),
    /// It was paid.
    Paid(PaymentSource),
    /// It was called off after it was paid with points, which came back by this entry.
    PointsRefunded(State, EntryId),
    /// It was called off after a card was charged: the charge goes back.
    CardRefunding(State),
    /// A payment was declined.
    PaymentFailed,
    /// A charge that came too late goes back.
    RefundStarted {
        /// The attempt that charged.
        attempt: u32,
    },
    /// The charge is back.
    Refunded,
}

/// Why a command comes to nothing: the order does not stand where it would have to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {is:?}")]
pub struct WrongStatus {
    /// Where the order stands.
    pub is: Status,
    /// Where it would have to stand; nowhere, if nothing of the kind ever happens to an order like this.
    pub expected: &'static [Status],
}

impl Order {
    /// Whether an attempt to pay it may begin now.
    pub fn may_be_paid(&self, now: Timestamp) -> Result<(), WrongStatus> {
        let in_time = self.pay_by.is_some_and(|pay_by| now < pay_by);
        if self.status() == Status::StockAllocated && in_time {
            Ok(())
        } else {
            Err(self.not(&[Status::StockAllocated]))
        }
    }

    const fn not(&self, expected: &'static [Status]) -> WrongStatus {
        WrongStatus { is: self.status(), expected }
    }

    /// What a command comes to, or why not. A payment that was begun in time is one even when time ran out meanwhile.
    pub fn decide(&self, command: Command, by: Actor, now: Timestamp) -> Result<Event, WrongStatus> {
        let of_store = self.store_id.is_some();
        let what = match (command, &self.state) {
            (Command::Pay(means), State::StockAllocated) => EventKind::Paid(means),
            (Command::FailPayment, State::StockAllocated) => EventKind::PaymentFailed,
            (Command::Expire, State::StockAllocated) if self.pay_by.is_some_and(|pay_by| pay_by <= now) => {
                EventKind::StatusChanged(State::Expired)
            }
            (Command::Pay(_) | Command::FailPayment | Command::Expire, _) => {
                return Err(self.not(&[Status::StockAllocated]));
            }
            (Command::Cancel { reason, refund }, State::StockAllocated | State::Paid | State::Accepted) => {
                self.aborted(State::Cancelled { reason }, refund)
            }
            (Command::Cancel { .. }, _) => {
                return Err(self.not(&[Status::StockAllocated, Status::Paid, Status::Accepted]));
            }
            (Command::Reject { reason, refund }, State::Paid) if of_store => {
                self.aborted(State::Rejected { reason }, refund)
            }
            (Command::Accept, State::Paid) if of_store => EventKind::StatusChanged(State::Accepted),
            (Command::Reject { .. } | Command::Accept, _) => {
                return Err(self.not(if of_store { &[Status::Paid] } else { &[] }));
            }
            (Command::StartCooking, State::Accepted) => EventKind::StatusChanged(State::Cooking),
            (Command::StartCooking, _) => return Err(self.not(if of_store { &[Status::Accepted] } else { &[] })),
            (Command::FinishCooking, State::Cooking) | (Command::Unassign, State::PickedUp { .. }) => {
                EventKind::StatusChanged(State::Cooked)
            }
            (Command::FinishCooking, _) => return Err(self.not(if of_store { &[Status::Cooking] } else { &[] })),
            (Command::PickUp(rider_id), State::Cooked) => EventKind::StatusChanged(State::PickedUp { rider_id }),
            (Command::PickUp(_), _) => return Err(self.not(if of_store { &[Status::Cooked] } else { &[] })),
            (Command::Unassign, _) => return Err(self.not(if of_store { &[Status::PickedUp] } else { &[] })),
            (Command::Ship(shipment), State::Paid) if !of_store => EventKind::StatusChanged(State::Shipped(shipment)),
            (Command::Ship(_), _) => return Err(self.not(if of_store { &[] } else { &[Status::Paid] })),
            (Command::ConfirmDelivery, State::PickedUp { rider_id }) => {
                EventKind::StatusChanged(State::Completed(Handover::Rider { rider_id: rider_id.clone() }))
            }
            (Command::ConfirmDelivery, State::Shipped(shipment)) => {
                EventKind::StatusChanged(State::Completed(Handover::Carrier(shipment.clone())))
            }
            (Command::ConfirmDelivery, _) => {
                return Err(self.not(if of_store { &[Status::PickedUp] } else { &[Status::Shipped] }));
            }
            (Command::RefundLate { attempt }, State::Cancelled { .. } | State::Expired) if self.is_unpaid() => {
                EventKind::RefundStarted { attempt }
            }
            (Command::RefundLate { .. }, _) => return Err(self.not(&[Status::Cancelled, Status::Expired])),
            (Command::FinishRefund, _) if self.payment.status == PaymentStatus::Refunding => EventKind::Refunded,
            (Command::FinishRefund, _) => {
                return Err(self.not(&[Status::Cancelled, Status::Rejected, Status::Expired]));
            }
        };
        Ok(Event { what, at: now, by })
    }

    /// Whether nothing was ever paid for it.
    fn is_unpaid(&self) -> bool {
        matches!(self.payment.status, PaymentStatus::Pending | PaymentStatus::Failed)
    }

    /// What calling it off does to what was paid: nothing was, or points come back at once, or a charge goes back.
    fn aborted(&self, end: State, refund: EntryId) -> EventKind {
        match (self.payment.status, self.payment.method) {
            (PaymentStatus::Paid, PaymentMethod::Points) => EventKind::PointsRefunded(end, refund),
            (PaymentStatus::Paid, PaymentMethod::Card) => EventKind::CardRefunding(end),
            (
                PaymentStatus::Pending | PaymentStatus::Failed | PaymentStatus::Refunding | PaymentStatus::Refunded,
                PaymentMethod::Points | PaymentMethod::Card,
            ) => EventKind::StatusChanged(end),
        }
    }

    /// The order after an event.
    #[must_use]
    pub fn apply(self, event: &Event) -> Self {
        let moved = |order: Self, state: &State| Self {
            last_change: Change::Status(state.status()),
            timeline: order
                .timeline
                .into_iter()
                .chain([Step { status: state.status(), at: event.at, by: event.by.clone() }])
                .collect(),
            state: state.clone(),
            ..order
        };
        let turned = |order: Self, status: PaymentStatus, last_change: Change| Self {
            payment: Payment { status, ..order.payment },
            last_change,
            ..order
        };
        let order = Self { version: self.version + 1, updated_at: event.at, ..self };
        match &event.what {
            EventKind::StatusChanged(state) => moved(order, state),
            EventKind::Paid(means) => {
                let mut paid = moved(order, &State::Paid);
                (paid.payment.status, paid.payment.paid_at) = (PaymentStatus::Paid, Some(event.at));
                (paid.payment.method, paid.payment.ledger_entry, paid.payment.attempt) = match means {
                    PaymentSource::Points(entry) => (PaymentMethod::Points, Some(entry.clone()), None),
                    PaymentSource::Card(attempt) => (PaymentMethod::Card, None, Some(*attempt)),
                };
                paid
            }
            EventKind::PointsRefunded(state, entry) => {
                let mut ended = moved(order, state);
                (ended.payment.status, ended.payment.refund_entry) = (PaymentStatus::Refunded, Some(entry.clone()));
                ended
            }
            EventKind::CardRefunding(state) => {
                // Nothing was charged for an order of nothing.
                let charged = order.payment.attempt.is_some();
                let mut ended = moved(order, state);
                ended.payment.status = if charged { PaymentStatus::Refunding } else { PaymentStatus::Refunded };
                ended
            }
            EventKind::PaymentFailed => turned(order, PaymentStatus::Failed, Change::PaymentFailed),
            EventKind::RefundStarted { attempt } => {
                let mut late = turned(order, PaymentStatus::Refunding, Change::RefundStarted);
                late.payment.attempt = Some(*attempt);
                late
            }
            EventKind::Refunded => turned(order, PaymentStatus::Refunded, Change::Refunded),
        }
    }
}
