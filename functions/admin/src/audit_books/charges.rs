//! Points that customers buy by card: the charge, its payment attempt, and the ledger entry that
//! adds the points.

use super::{CARD_CHARGED, Findings};
use domain::{
    ChargeId, CustomerId, Fault,
    payment::AttemptStatus,
    points::{Entry, EntryKind},
};
use store::{Store, charges::ChargeWithAttempt};

/// Checks charges against their attempts and ledger entries. The result of an attempt and the
/// points are written in one transaction.
pub(super) async fn audit(
    store: &Store,
    charges: &[ChargeId],
    findings: &mut Findings,
) -> Result<(), Fault> {
    for id in charges {
        findings.checked(CARD_CHARGED);
        let Some(ChargeWithAttempt { charge, attempt }) = store.charges().with_attempt(id).await?
        else {
            findings.violation(
                CARD_CHARGED,
                format!("charge/{id}"),
                "an attempt to pay it",
                "none",
            );
            continue;
        };
        let is_paid = attempt.status == AttemptStatus::Paid && attempt.amount == charge.amount;
        if is_paid != charge.charged.is_some() {
            let actual = format!(
                "{:?} with {}, charged: {}",
                attempt.status,
                attempt.amount,
                charge.charged.is_some()
            );
            findings.violation(
                CARD_CHARGED,
                format!("charge/{id}"),
                "charged exactly if it was paid",
                actual,
            );
        }
        let Some(made) = charge.charged else { continue };
        let entry = store
            .audits()
            .ledger_entries(&[(charge.customer_id.clone(), made.entry_id)])
            .await?
            .pop()
            .flatten();
        if entry.as_ref().map(|entry| (entry.amount, entry.reference.as_str()))
            != Some((charge.amount, id.as_str()))
        {
            let actual = entry.map_or_else(
                || "no entry".into(),
                |entry| format!("{} for {}", entry.amount, entry.reference),
            );
            let expected = format!("{} for {id}", charge.amount);
            findings.violation(CARD_CHARGED, format!("charge/{id}"), expected, actual);
        }
    }
    Ok(())
}

/// Checks the ledger entries of charges by card against the charges: each must be the one that its
/// charge names.
pub(super) async fn audit_entries(
    store: &Store,
    entries: &[(CustomerId, Entry)],
    findings: &mut Findings,
) -> Result<(), Fault> {
    for (customer, entry) in entries.iter().filter(|(_, entry)| entry.kind == EntryKind::Charge) {
        // An entry that an operator made refers to itself, not to a charge.
        let Ok(id) = ChargeId::parse(&entry.reference) else { continue };
        if !ChargeId::is_one(&entry.reference) {
            continue;
        }
        findings.checked(CARD_CHARGED);
        let named = store.charges().with_attempt(&id).await?.and_then(|file| file.charge.charged);
        if named.as_ref().map(|charged| (&charged.customer_id, &charged.entry_id))
            != Some((customer, &entry.entry_id))
        {
            let key = format!("entry/{customer}/{}", entry.entry_id);
            let actual =
                named.map_or_else(|| "none".into(), |charged| charged.entry_id.to_string());
            findings.violation(CARD_CHARGED, key, format!("the entry of charge {id}"), actual);
        }
    }
    Ok(())
}
