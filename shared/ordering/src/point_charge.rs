//! Points that customers pay for by card: the result of the payment attempt and the points are
//! written together.

use crate::card_payment::{AttemptResult, is_unrecorded};
use domain::{
    EntryId, Fault, Timestamp, Won,
    payment::{Attempt, AttemptStatus},
    points::{Entry, EntryKind},
};
use store::{
    Store, Transaction,
    charges::{CardCharge, ChargeWithAttempt},
    optimistic::{
        Attempted::{Conflict, Done},
        OFTEN_CHANGED, optimistically_from,
    },
    points::Charge,
};

/// The attempt, the charge or the balance changed since it was read.
#[derive(Debug)]
struct Changed;

/// Writes the result of the attempt to pay for points, with the points if the card was charged,
/// once. A charge for which the balance has no room is refunded. Returns the charge after it.
pub async fn conclude(
    store: &Store,
    file: ChargeWithAttempt,
    result: &AttemptResult,
    entry_id: EntryId,
    now: Timestamp,
) -> Result<ChargeWithAttempt, Fault> {
    let (charge_requests, entry_id) = (file.attempt.charge_requests, &entry_id);
    optimistically_from(OFTEN_CHANGED, file, |file| async move {
        if !is_unrecorded(&file.attempt, charge_requests, result) {
            return Ok(Done(file));
        }
        let balance = store.points().balance(&file.charge.customer_id).await?;
        let (change, next) = conclusion(store, &file, result, balance, entry_id, now)?;
        if change.commit_if_unchanged(store).await? {
            return Ok(Done(next));
        }
        let seen = store.charges().with_attempt(&file.charge.charge_id).await?;
        let seen = seen.ok_or_else(|| Fault::broken("a charge does not exist any more"))?;
        Ok(Conflict(seen))
    })
    .await
}

fn conclusion(
    store: &Store,
    file: &ChargeWithAttempt,
    result: &AttemptResult,
    balance: Won,
    entry_id: &EntryId,
    now: Timestamp,
) -> Result<(Transaction<Changed>, ChargeWithAttempt), Fault> {
    let ChargeWithAttempt { charge, attempt } = file;
    let becomes = |status| attempt.clone().becomes(status, now);
    let (next, balance_after) = match (result, balance.plus(charge.amount)) {
        (AttemptResult::Charged, Ok(after)) => (becomes(AttemptStatus::Paid), Some(after)),
        // The card was charged, but the balance has no room for the points.
        (AttemptResult::Charged, Err(_)) => (becomes(AttemptStatus::Refunding), None),
        (AttemptResult::Declined(code), _) => {
            (Attempt { decline_code: Some(code.clone()), ..becomes(AttemptStatus::Declined) }, None)
        }
        (AttemptResult::Lost, _) => (becomes(AttemptStatus::Lost), None),
    };
    let mut change =
        Transaction::default().with(store.attempts().replace(&next, attempt)?, Changed);
    let mut concluded = charge.clone();
    if let Some(after) = balance_after {
        let CardCharge { customer_id, amount, .. } = charge;
        let reference = charge.charge_id.to_string();
        let (kind, reason) = (EntryKind::Charge, charge.reason.clone());
        let entry = Entry {
            entry_id: entry_id.clone(),
            kind,
            amount: *amount,
            reference,
            reason,
            by: charge.by.clone(),
            at: now,
        };
        change = change
            .with(store.points().set_balance(customer_id, balance, after), Changed)
            .with(store.points().append_ledger_entry(customer_id, &entry)?, Changed);
        concluded.charged = Some(Charge {
            customer_id: customer_id.clone(),
            amount: *amount,
            balance: after,
            entry_id: entry_id.clone(),
            reason: charge.reason.clone(),
            charged_at: now,
        });
        change = change.with(store.charges().complete(&concluded)?, Changed);
    }
    Ok((change, ChargeWithAttempt { charge: concluded, attempt: next }))
}
