//! Charges of points by card: a row for each charge, beside the row of its payment attempt.

use crate::{
    Charges, Write,
    attempts::{attempt_in, is_attempt},
    item::{read, row, string},
    keys,
    points::Charge,
    read::Query,
};
use domain::{ChargeId, CustomerId, Fault, Won, actor::Actor, payment::Attempt};
use serde::{Deserialize, Serialize};

/// A charge of points by card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CardCharge {
    /// The charge's id.
    pub charge_id: ChargeId,
    /// The customer whose balance is charged.
    pub customer_id: CustomerId,
    /// The number of points.
    pub amount: Won,
    /// The reason, as the caller gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who requested it. Charges made before this was recorded have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// The charge as it was credited, once the card is charged. It is the body of the first
    /// response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<Charge>,
}

/// A charge by card, with the attempt that pays it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeWithAttempt {
    /// The charge.
    pub charge: CardCharge,
    /// The only attempt of the charge.
    pub attempt: Attempt,
}

impl Charges<'_> {
    /// Reads a charge and its attempt in one query.
    pub async fn with_attempt(self, id: &ChargeId) -> Result<Option<ChargeWithAttempt>, Fault> {
        let pk = keys::charge_rows(id);
        let query =
            Query { table: &self.0.tables.orders, pk: &pk, prefix: "", newest_first: false };
        let (mut charge, mut attempt) = (None, None);
        for item in self.0.query_all(&query).await? {
            if is_attempt(string(&item, "sk")?) {
                attempt = Some(attempt_in(item)?);
            } else {
                charge = Some(read(item)?);
            }
        }
        match (charge, attempt) {
            (Some(charge), Some(attempt)) => Ok(Some(ChargeWithAttempt { charge, attempt })),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                Err(Fault::broken("a charge and its attempt are written together"))
            }
        }
    }

    /// Writes a new charge, before it is paid.
    pub fn put(self, charge: &CardCharge) -> Result<Write, Fault> {
        Ok(self.row(charge)?.when_new())
    }

    /// Writes a charge together with its credit, if it was not credited before.
    pub fn complete(self, charge: &CardCharge) -> Result<Write, Fault> {
        Ok(self.row(charge)?.when("attribute_exists(pk) AND attribute_not_exists(charged)"))
    }

    fn row(self, charge: &CardCharge) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.orders, row(&keys::card_charge(&charge.charge_id), charge)?))
    }
}
