//! How an order is paid by card: the attempt is written down, the gateway is asked, and what it did is written down.
//!
//! Between any two of these everything may stop. An attempt that is written down is in the stream of the orders table, so
//! `settle-payments` finds out what became of it; what it finds is concluded here too.

use crate::{Keyed, refusals::PayRefusal};
use domain::{
    Fault, Timestamp,
    actor::Actor,
    lifecycle::{Command, Means},
    order::{Order, Status},
    payment::{Attempt, AttemptStatus},
};
use edge::{Answer, Environment, NotStarted};
use partners::{PaymentGateway, payment_gateway::Confirmed};
use store::{
    Store, Transaction,
    changes::{NotChanged, Unmet},
    circuits::{Breaker, Open, Pass},
    orders::{Answered, PlacedOrder},
};

/// How often what is known of an order is read anew when it changed in between.
const ROUNDS: usize = 4;

/// Asks the gateway, as long as it is not in trouble.
#[derive(Debug, Clone)]
pub(crate) struct Cashier {
    pub(crate) gateway: PaymentGateway,
    pub(crate) breaker: Breaker,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The card was charged.
    Charged,
    /// It was not, for this reason, and will not be.
    Declined(String),
    /// The gateway knows of no charge so far.
    Lost,
}

/// Who is behind a conclusion, and when.
#[derive(Debug, Clone)]
pub(crate) struct Payer<'a> {
    pub(crate) by: Actor,
    pub(crate) now: Timestamp,
    pub(crate) told: Told<'a>,
}

/// Who is told of a conclusion, and is to be told the same again.
#[derive(Debug, Clone)]
pub(crate) enum Told<'a> {
    /// Nobody: it is found out later.
    Nobody,
    /// Whoever places the order.
    Placer,
    /// Whoever pays an order that was placed before, perhaps under a key.
    Payer(Option<&'a Keyed>),
}

impl Cashier {
    pub(crate) fn open(env: &Environment) -> Result<Self, NotStarted> {
        let (url, key) = (env.require("PAYMENT_GATEWAY_URL")?, env.require("PAYMENT_GATEWAY_SECRET_KEY")?);
        Ok(Self { gateway: PaymentGateway::new(&url, &key)?, breaker: Breaker::new("payment-gateway") })
    }

    /// Leave to ask the gateway, unless it is in trouble.
    pub(crate) async fn admit(&self, store: &Store) -> Result<Pass, Open> {
        self.breaker.admit(store).await
    }

    /// Makes an attempt that is written down, and answers for it.
    pub(crate) async fn charge(
        &self,
        store: &Store,
        pass: Pass,
        placed: PlacedOrder,
        attempt: Attempt,
        payer: Payer<'_>,
    ) -> Result<Answer, PayRefusal> {
        let Attempt { payment_key, order_id, amount, .. } = &attempt;
        let confirmed = self.gateway.confirm(payment_key, order_id, *amount, &attempt.idempotency_key()).await;
        let is_well = !matches!(&confirmed, Confirmed::Unknown(why) if why.is_trouble());
        let made = pass.made(store, is_well);
        // The charge is of the moment at which the gateway answered.
        let payer = Payer { now: store.now(), ..payer };
        let answer = answer(store, placed, attempt, confirmed, &payer).await;
        // What is known of the money is written down before what is known of the gateway.
        self.breaker.tell(store, made).await;
        answer
    }
}

/// Concludes what the gateway said, and answers for it.
async fn answer(
    store: &Store,
    placed: PlacedOrder,
    attempt: Attempt,
    confirmed: Confirmed,
    payer: &Payer<'_>,
) -> Result<Answer, PayRefusal> {
    let asked = placed.order.clone();
    let outcome = match confirmed {
        Confirmed::Charged => Outcome::Charged,
        Confirmed::Declined(code) => Outcome::Declined(code),
        Confirmed::Unknown(why) => {
            let (order_id, attempt) = (&attempt.order_id, attempt.attempt);
            tracing::warn!(%order_id, attempt, %why, "what became of a payment is not known yet");
            return Ok(Answer::accepted(&events::Order::from(&asked)));
        }
    };
    let is_declined = matches!(outcome, Outcome::Declined(_));
    match conclude(store, placed, attempt, &outcome, payer).await {
        Ok(order) if is_declined && order.status() == Status::StockAllocated => Err(PayRefusal::payment_failed(&order)),
        Ok(order) if !is_declined && order.status() == Status::Paid => Ok(Answer::ok(&events::Order::from(&order))),
        Ok(order) => Err(PayRefusal::NotPayable(order.status())),
        // The attempt is written down as asked: what became of it will be found out.
        Err(fault) => {
            tracing::warn!(order_id = %asked.order_id, %fault, "a payment could not be concluded yet");
            Ok(Answer::accepted(&events::Order::from(&asked)))
        }
    }
}

/// Writes down what came of an attempt, with everything that follows from it, once: who comes second finds it done. A
/// charge for an order that is not to be paid any more is one that goes back. Tells the order as it then stands.
pub(crate) async fn conclude(
    store: &Store,
    mut placed: PlacedOrder,
    mut attempt: Attempt,
    outcome: &Outcome,
    payer: &Payer<'_>,
) -> Result<Order, Fault> {
    let asks = attempt.asks;
    for _ in 0..ROUNDS {
        // That nothing was charged is said of one asking; that something was, of the payment.
        let is_of_this_asking = attempt.asks == asks || *outcome == Outcome::Charged;
        let is_open = match attempt.status {
            AttemptStatus::Asked | AttemptStatus::Lost => true,
            // The gateway contradicts itself: the charge is what counts.
            AttemptStatus::Declined => *outcome == Outcome::Charged,
            AttemptStatus::Paid | AttemptStatus::Refunding | AttemptStatus::Refunded => false,
        };
        if !is_open || !is_of_this_asking {
            return Ok(placed.order);
        }
        let (change, order) = conclusion(store, &placed, &attempt, outcome, payer)?;
        match store.commit_change(change).await {
            Ok(()) => return Ok(order),
            Err(NotChanged::Stale) => {}
            Err(other) => return Err(other.into_fault()),
        }
        let file = store.order_file(&attempt.order_id).await?;
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
    Payer { by, now, told }: &Payer<'_>,
) -> Result<(Transaction<Unmet>, Order), Fault> {
    let decide = |command| placed.order.decide(command, by.clone(), *now).ok();
    let number = attempt.attempt;
    let (event, moved) = match outcome {
        Outcome::Charged => {
            if let Some(paid) = decide(Command::Pay(Means::Card(number))) {
                (Some(paid), attempt.clone().now_is(AttemptStatus::Paid, *now))
            } else {
                // Too late, or it was paid otherwise: the order shows the refund if it shows no other payment.
                let refunding = attempt.clone().now_is(AttemptStatus::Refunding, *now);
                (decide(Command::RefundLate { attempt: number }), refunding)
            }
        }
        Outcome::Declined(code) => {
            let declined = Attempt { decline_code: Some(code.clone()), ..attempt.clone() };
            (decide(Command::FailPayment), declined.now_is(AttemptStatus::Declined, *now))
        }
        Outcome::Lost => (decide(Command::FailPayment), attempt.clone().now_is(AttemptStatus::Lost, *now)),
    };
    // What was lost before has failed before: the order has been told.
    let event = event.filter(|_| attempt.status == AttemptStatus::Asked || *outcome == Outcome::Charged);
    let moved = store.move_attempt(&moved, attempt)?;
    let mut change = Transaction::default().with(moved, Unmet::Changed);
    let mut after = placed.clone();
    if let Some(event) = event {
        after.order = after.order.apply(&event);
        if matches!(told, Told::Placer) {
            after.answered = match outcome {
                Outcome::Charged if after.order.status() == Status::Paid => Answered::Paid,
                Outcome::Declined(_) => Answered::PaymentFailed,
                Outcome::Charged | Outcome::Lost => after.answered,
            };
        }
        change = change.and(store.change(&placed.order, &after)?);
    }
    if let Told::Payer(Some(keyed)) = told {
        let kept = if *outcome == Outcome::Charged && after.order.status() == Status::Paid {
            store.replace_reply(&keyed.hash, &keyed.reply(200, &after.order)?)?
        } else {
            store.forget_reply(&keyed.hash)
        };
        change = change.with(kept, Unmet::Changed);
    }
    Ok((change, after.order))
}
