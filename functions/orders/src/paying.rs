//! Card payments: an attempt is written, the gateway is asked, and what it did is written.
//!
//! A crash may come between any two of these. An attempt that was written and has not ended is found by its row, so
//! `settle-payments` finds out what became of it; what it finds is concluded here, too.

use crate::refusals::PayRefusal;
use domain::{
    Fault, Timestamp,
    actor::Actor,
    lifecycle::{Command, Means},
    order::{Order, Status},
    payment::{Attempt, AttemptStatus, Payable, PendingReply},
};
use edge::{Answer, Environment, NotStarted};
use partners::{PaymentGateway, payment_gateway::Confirmed};
use store::{
    Store, Transaction,
    changes::{NotChanged, Unmet},
    circuits::{self, Breaker, Made, Open, Pass},
    orders::{Answered, OrderFile, PlacedOrder, Reply},
};

/// How often an order is read anew when it changed in between.
const ROUNDS: usize = 4;

/// Asks the payment gateway, unless its circuit is open.
#[derive(Debug, Clone)]
pub struct Cashier {
    /// The gateway.
    pub gateway: PaymentGateway,
    /// Its circuit breaker.
    pub breaker: Breaker,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The card was charged.
    Charged,
    /// It was not, for this reason, and will not be.
    Declined(String),
    /// The gateway knows of no charge so far.
    Lost,
}

/// Who caused a conclusion, and when.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    pub(crate) by: Actor,
    pub(crate) now: Timestamp,
}

impl Cashier {
    /// Opens the gateway that the template's parameters name.
    pub fn open(env: &Environment) -> Result<Self, NotStarted> {
        let (url, key) = (env.require("PAYMENT_GATEWAY_URL")?, env.require("PAYMENT_GATEWAY_SECRET_KEY")?);
        let thresholds = circuits::thresholds(|name| env.variable(name))?;
        Ok(Self { gateway: PaymentGateway::new(&url, &key)?, breaker: Breaker::new("payment-gateway", thresholds) })
    }

    /// Permission to ask the gateway, unless its circuit is open.
    pub async fn admit(&self, store: &Store) -> Result<Pass, Open> {
        self.breaker.admit(store).await
    }

    /// Asks the gateway to charge the card of an attempt that is written. The breaker is told with [`Breaker::tell`], once
    /// what is known of the money is written.
    pub async fn ask(&self, store: &Store, pass: Pass, attempt: &Attempt) -> (Confirmed, Made) {
        let Attempt { payment_key, payable, amount, .. } = attempt;
        let confirmed = self.gateway.confirm(payment_key, payable.as_str(), *amount, &attempt.idempotency_key()).await;
        let is_well = !matches!(&confirmed, Confirmed::Unknown(why) if why.is_trouble());
        let made = pass.made(store, is_well);
        (confirmed, made)
    }

    /// Makes an attempt to pay an order, which is written, and answers for it.
    pub(crate) async fn charge(
        &self,
        store: &Store,
        pass: Pass,
        placed: PlacedOrder,
        attempt: Attempt,
        by: Actor,
    ) -> Result<Answer, PayRefusal> {
        let (confirmed, made) = self.ask(store, pass, &attempt).await;
        // The charge is of the moment at which the gateway answered.
        let payer = Payer { by, now: store.now() };
        let answer = answer(store, placed, attempt, confirmed, &payer).await;
        // What is known of the money is written before what is known of the gateway.
        self.breaker.tell(store, made).await;
        answer
    }
}

/// What the gateway said, if it said so.
pub fn outcome(attempt: &Attempt, confirmed: Confirmed) -> Option<Outcome> {
    match confirmed {
        Confirmed::Charged => Some(Outcome::Charged),
        Confirmed::Declined(code) => Some(Outcome::Declined(code)),
        Confirmed::Unknown(why) => {
            let (payable, attempt) = (&attempt.payable, attempt.attempt);
            tracing::warn!(%payable, attempt, %why, "the result of a payment is not known yet");
            None
        }
    }
}

/// Concludes what the gateway said, and answers for it.
async fn answer(
    store: &Store,
    placed: PlacedOrder,
    attempt: Attempt,
    confirmed: Confirmed,
    payer: &Payer,
) -> Result<Answer, PayRefusal> {
    let asked = placed.order.clone();
    let Some(outcome) = outcome(&attempt, confirmed) else {
        return Ok(Answer::accepted(&events::Order::from(&asked)));
    };
    let is_declined = matches!(outcome, Outcome::Declined(_));
    match conclude(store, OrderFile { placed, attempts: Vec::new() }, attempt, &outcome, payer).await {
        Ok(order) if is_declined && order.status() == Status::StockAllocated => Err(PayRefusal::payment_failed(&order)),
        Ok(order) if !is_declined && order.status() == Status::Paid => Ok(Answer::ok(&events::Order::from(&order))),
        Ok(order) => Err(PayRefusal::NotPayable(order.status())),
        // The attempt is written as asked: it is found and concluded later.
        Err(fault) => {
            tracing::warn!(order_id = %asked.order_id, %fault, "a payment could not be concluded yet");
            Ok(Answer::accepted(&events::Order::from(&asked)))
        }
    }
}

/// Whether an outcome of an attempt that is `seen` now is still to be written: that nothing was charged is said of one
/// asking; that something was, of the payment.
pub fn is_news(seen: &Attempt, asks: u32, outcome: &Outcome) -> bool {
    let is_open = match seen.status {
        AttemptStatus::Asked | AttemptStatus::Lost => true,
        // The gateway contradicts itself: the charge is what counts.
        AttemptStatus::Declined => *outcome == Outcome::Charged,
        AttemptStatus::Paid | AttemptStatus::Refunding | AttemptStatus::Refunded => false,
    };
    is_open && (seen.asks == asks || *outcome == Outcome::Charged)
}

/// Writes what came of an attempt to pay an order, with everything that follows from it, once: who comes second finds it
/// done. A charge for an order that is not to be paid any more goes back. Returns the order after it.
pub(crate) async fn conclude(
    store: &Store,
    file: OrderFile,
    mut attempt: Attempt,
    outcome: &Outcome,
    payer: &Payer,
) -> Result<Order, Fault> {
    let (asks, mut placed) = (attempt.asks, file.placed);
    for _ in 0..ROUNDS {
        if !is_news(&attempt, asks, outcome) {
            return Ok(placed.order);
        }
        let (change, order) = conclusion(store, &placed, &attempt, outcome, payer)?;
        match store.commit_change(change).await {
            Ok(()) => return Ok(order),
            Err(NotChanged::Stale) => {}
            Err(other) => return Err(other.into_fault()),
        }
        let file = store.order_file(&placed.order.order_id).await?;
        let file = file.ok_or_else(|| Fault::broken("the order of an attempt is gone"))?;
        let found = file.attempts.into_iter().find(|found| found.attempt == attempt.attempt);
        attempt = found.ok_or_else(|| Fault::broken("an attempt is gone"))?;
        placed = file.placed;
    }
    Err(Fault::busy("the order changes faster than its payment can be concluded"))
}

/// What must be written, and the order after it.
fn conclusion(
    store: &Store,
    placed: &PlacedOrder,
    attempt: &Attempt,
    outcome: &Outcome,
    Payer { by, now }: &Payer,
) -> Result<(Transaction<Unmet>, Order), Fault> {
    let decide = |command| placed.order.decide(command, by.clone(), *now).ok();
    let number = attempt.attempt;
    let (event, next) = match outcome {
        Outcome::Charged => {
            if let Some(paid) = decide(Command::Pay(Means::Card(number))) {
                (Some(paid), attempt.clone().becomes(AttemptStatus::Paid, *now))
            } else {
                // Too late, or it was paid otherwise: the order shows the refund if it shows no other payment.
                let refunding = attempt.clone().becomes(AttemptStatus::Refunding, *now);
                (decide(Command::RefundLate { attempt: number }), refunding)
            }
        }
        Outcome::Declined(code) => {
            let declined = Attempt { decline_code: Some(code.clone()), ..attempt.clone() };
            (decide(Command::FailPayment), declined.becomes(AttemptStatus::Declined, *now))
        }
        Outcome::Lost => (decide(Command::FailPayment), attempt.clone().becomes(AttemptStatus::Lost, *now)),
    };
    // What was lost before has failed before: the order says so already.
    let event = event.filter(|_| attempt.status == AttemptStatus::Asked || *outcome == Outcome::Charged);
    let mut change = Transaction::default().with(store.replace_attempt(&next, attempt)?, Unmet::Changed);
    let mut after = placed.clone();
    if let Some(event) = event {
        after.order = after.order.apply(&event);
        let is_paid = *outcome == Outcome::Charged && after.order.status() == Status::Paid;
        if attempt.reply == Some(PendingReply::Placement) {
            after.answered = match outcome {
                Outcome::Charged if is_paid => Answered::Paid,
                Outcome::Charged => after.answered,
                Outcome::Declined(_) | Outcome::Lost => Answered::PaymentFailed,
            };
        }
        change = change.and(store.change(&placed.order, &after)?);
    }
    if let Some(PendingReply::Key { hash, fingerprint }) = &attempt.reply {
        // Nothing is answered "not known yet" any more.
        let is_paid = *outcome == Outcome::Charged && after.order.status() == Status::Paid;
        let kept = if is_paid {
            store.replace_reply(hash, &Reply::of_order(fingerprint, 200, &after.order)?)?
        } else {
            store.forget_reply(hash)
        };
        change = change.with(kept, Unmet::Changed);
    }
    Ok((change, after.order))
}

/// The attempt to pay this order, about to be made for the first time.
pub(crate) fn first_attempt(order: &Order, key: &domain::payment::PaymentKey) -> Attempt {
    let payable = Payable::Order(order.order_id.clone());
    let reply = Some(PendingReply::Placement);
    Attempt::asked(payable, 1, key.clone(), order.total_amount, reply, order.placed_at)
}
