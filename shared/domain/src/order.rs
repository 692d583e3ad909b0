//! Orders: what was agreed, where it stands, and what may happen to it.
//!
//! One state machine for every kind of order. [`Order::decide`] says what a [`Command`] comes to, or why not;
//! [`Order::apply`] makes it so. What that moves (points, stock, a coupon, an attempt at the gateway) follows from the two
//! orders before and after: [`crate::effects`].

#![expect(clippy::disallowed_types, reason = "what serde makes of a flattened field could hold any number")]

use crate::{
    CampaignId, CouponId, CustomerId, EntryId, OrderId, ProductId, RiderId, StoreId, Timestamp, Won,
    actor::Actor,
    basket::Quantity,
    delivery::{Delivery, Handover, Shipment},
    payment::{Payment, PaymentMethod, PaymentStatus},
};
use serde::{Deserialize, Serialize};

/// One product of an order, at the price that was agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Which product.
    pub product_id: ProductId,
    /// How many units.
    pub quantity: Quantity,
    /// The price of one unit when the order was placed.
    pub unit_price: Won,
    /// The price of all units.
    pub total_price: Won,
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// 1 when placed, one more with each change.
    pub version: u32,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The store whose products it has; none for an order of goods that are shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// The campaign that brought the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// The lines' sum.
    pub original_amount: Won,
    /// What was taken off.
    pub discount_amount: Won,
    /// What is paid: original less discount.
    pub total_amount: Won,
    /// The coupon that took it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon_id: Option<CouponId>,
    /// How it is paid.
    pub payment: Payment,
    /// Until when stock is held for it to be paid, if it was not paid when it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
    /// Where it goes, for an order of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Every status so far, the first first.
    pub timeline: Vec<Step>,
    /// What the last change was.
    pub last_change: Change,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One step of an order's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The status that the order had from then on.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: Actor,
}

/// What a change of an order was: another status, or a turn of its payment alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Change {
    /// The gateway declined the payment; the order still waits for one.
    PaymentFailed,
    /// A payment came in after the order had ended, and goes back.
    RefundStarted,
    /// The card payment of an ended order is back.
    Refunded,
    /// The order took this status.
    #[serde(untagged)]
    Status(Status),
}

/// Where an order stands, with what only an order that stands there knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum State {
    /// Stock is held and payment is due (재고 확보).
    StockAllocated,
    /// Paid (주문완료).
    Paid,
    /// The store took it (수락).
    Accepted,
    /// The store is cooking (요리시작).
    Cooking,
    /// Ready for a rider (요리완료).
    Cooked,
    /// A rider has it (픽업).
    PickedUp {
        /// Who.
        rider_id: RiderId,
    },
    /// A carrier has it (발송).
    Shipped(Shipment),
    /// The customer has it (배송확인).
    Completed(Handover),
    /// The customer called it off before cooking (취소).
    Cancelled {
        /// Why, in the customer's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The store refused it (거절).
    Rejected {
        /// Why, in the store's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It was not paid in time (만료).
    Expired,
}

/// Where an order stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "State says what each means")]
pub enum Status {
    StockAllocated,
    Paid,
    Accepted,
    Cooking,
    Cooked,
    PickedUp,
    Shipped,
    Completed,
    Cancelled,
    Rejected,
    Expired,
}

impl State {
    /// The state in one word.
    pub const fn status(&self) -> Status {
        match self {
            Self::StockAllocated => Status::StockAllocated,
            Self::Paid => Status::Paid,
            Self::Accepted => Status::Accepted,
            Self::Cooking => Status::Cooking,
            Self::Cooked => Status::Cooked,
            Self::PickedUp { .. } => Status::PickedUp,
            Self::Shipped(_) => Status::Shipped,
            Self::Completed(_) => Status::Completed,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::Rejected { .. } => Status::Rejected,
            Self::Expired => Status::Expired,
        }
    }
}

impl Status {
    /// Whether the order was called off: what it sold came back, and it no longer counts as a sale.
    pub const fn is_called_off(self) -> bool {
        match self {
            Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp
            | Self::Shipped
            | Self::Completed => false,
        }
    }
}

/// What somebody wants to happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// It is paid.
    Pay(Means),
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
pub enum Means {
    /// Points, by this ledger entry.
    Points(EntryId),
    /// A card, by this attempt at the gateway.
    Card(u32),
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub what: What,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: Actor,
}

/// What can happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It moved, and its payment stayed as it was.
    Moved(State),
    /// It was paid.
    Paid(Means),
    /// It was called off after it was paid with points, which came back by this entry.
    PointsReturned(State, EntryId),
    /// It was called off after a card was charged: the charge goes back.
    CardReturned(State),
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
    /// Where it stands, in one word.
    pub const fn status(&self) -> Status {
        self.state.status()
    }

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
            (Command::Pay(means), State::StockAllocated) => What::Paid(means),
            (Command::FailPayment, State::StockAllocated) => What::PaymentFailed,
            (Command::Expire, State::StockAllocated) if self.pay_by.is_some_and(|pay_by| pay_by <= now) => {
                What::Moved(State::Expired)
            }
            (Command::Pay(_) | Command::FailPayment | Command::Expire, _) => {
                return Err(self.not(&[Status::StockAllocated]));
            }
            (Command::Cancel { reason, refund }, State::StockAllocated | State::Paid | State::Accepted) => {
                self.called_off(State::Cancelled { reason }, refund)
            }
            (Command::Cancel { .. }, _) => {
                return Err(self.not(&[Status::StockAllocated, Status::Paid, Status::Accepted]));
            }
            (Command::Reject { reason, refund }, State::Paid) if of_store => {
                self.called_off(State::Rejected { reason }, refund)
            }
            (Command::Accept, State::Paid) if of_store => What::Moved(State::Accepted),
            (Command::Reject { .. } | Command::Accept, _) => {
                return Err(self.not(if of_store { &[Status::Paid] } else { &[] }));
            }
            (Command::StartCooking, State::Accepted) => What::Moved(State::Cooking),
            (Command::StartCooking, _) => return Err(self.not(if of_store { &[Status::Accepted] } else { &[] })),
            (Command::FinishCooking, State::Cooking) => What::Moved(State::Cooked),
            (Command::FinishCooking, _) => return Err(self.not(if of_store { &[Status::Cooking] } else { &[] })),
            (Command::PickUp(rider_id), State::Cooked) => What::Moved(State::PickedUp { rider_id }),
            (Command::PickUp(_), _) => return Err(self.not(if of_store { &[Status::Cooked] } else { &[] })),
            (Command::Ship(shipment), State::Paid) if !of_store => What::Moved(State::Shipped(shipment)),
            (Command::Ship(_), _) => return Err(self.not(if of_store { &[] } else { &[Status::Paid] })),
            (Command::ConfirmDelivery, State::PickedUp { rider_id }) => {
                What::Moved(State::Completed(Handover::Rider { rider_id: rider_id.clone() }))
            }
            (Command::ConfirmDelivery, State::Shipped(shipment)) => {
                What::Moved(State::Completed(Handover::Carrier(shipment.clone())))
            }
            (Command::ConfirmDelivery, _) => {
                return Err(self.not(if of_store { &[Status::PickedUp] } else { &[Status::Shipped] }));
            }
            (Command::RefundLate { attempt }, State::Cancelled { .. } | State::Expired) if self.is_unpaid() => {
                What::RefundStarted { attempt }
            }
            (Command::RefundLate { .. }, _) => return Err(self.not(&[Status::Cancelled, Status::Expired])),
            (Command::FinishRefund, _) if self.payment.status == PaymentStatus::Refunding => What::Refunded,
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
    fn called_off(&self, end: State, refund: EntryId) -> What {
        match (self.payment.status, self.payment.method) {
            (PaymentStatus::Paid, PaymentMethod::Points) => What::PointsReturned(end, refund),
            (PaymentStatus::Paid, PaymentMethod::Card) => What::CardReturned(end),
            (
                PaymentStatus::Pending | PaymentStatus::Failed | PaymentStatus::Refunding | PaymentStatus::Refunded,
                PaymentMethod::Points | PaymentMethod::Card,
            ) => What::Moved(end),
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
            What::Moved(state) => moved(order, state),
            What::Paid(means) => {
                let mut paid = moved(order, &State::Paid);
                (paid.payment.status, paid.payment.paid_at) = (PaymentStatus::Paid, Some(event.at));
                (paid.payment.method, paid.payment.ledger_entry, paid.payment.attempt) = match means {
                    Means::Points(entry) => (PaymentMethod::Points, Some(entry.clone()), None),
                    Means::Card(attempt) => (PaymentMethod::Card, None, Some(*attempt)),
                };
                paid
            }
            What::PointsReturned(state, entry) => {
                let mut ended = moved(order, state);
                (ended.payment.status, ended.payment.refund_entry) = (PaymentStatus::Refunded, Some(entry.clone()));
                ended
            }
            What::CardReturned(state) => {
                // Nothing was charged for an order of nothing.
                let charged = order.payment.attempt.is_some();
                let mut ended = moved(order, state);
                ended.payment.status = if charged { PaymentStatus::Refunding } else { PaymentStatus::Refunded };
                ended
            }
            What::PaymentFailed => turned(order, PaymentStatus::Failed, Change::PaymentFailed),
            What::RefundStarted { attempt } => {
                let mut late = turned(order, PaymentStatus::Refunding, Change::RefundStarted);
                late.payment.attempt = Some(*attempt);
                late
            }
            What::Refunded => turned(order, PaymentStatus::Refunded, Change::Refunded),
        }
    }
}
