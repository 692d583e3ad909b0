//! Balances, their ledger, and the charges made under idempotency keys.

use crate::{
    Item, Page, PageRequest, Points, Write,
    item::{number, read, row, whole},
    keys,
    read::Query,
};
use domain::{CustomerId, EntryId, Fault, Timestamp, Won, points::Entry};
use serde::{Deserialize, Serialize};

/// A charge of points, as the response states it. A replay receives the same response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// The customer whose balance was charged.
    pub customer_id: CustomerId,
    /// The points added.
    pub amount: Won,
    /// The balance immediately after the charge.
    pub balance: Won,
    /// The ledger entry's id.
    pub entry_id: EntryId,
    /// The reason, if the caller gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The time of the charge.
    pub charged_at: Timestamp,
}

impl Points<'_> {
    /// A customer's balance. Zero for an unknown customer.
    pub async fn balance(self, customer: &CustomerId) -> Result<Won, Fault> {
        balance_in(self.0.get(&self.0.tables.customers, &keys::points(customer)).await?.as_ref())
    }

    /// Reads what a charge depends on: the balance, and the charge already made under the
    /// idempotency key with this hash.
    pub async fn read_for_charge(
        self,
        customer: &CustomerId,
        key_hash: Option<&str>,
    ) -> Result<(Won, Option<Charge>), Fault> {
        let table = self.0.tables.customers.as_str();
        let (points, charge) =
            (keys::points(customer), key_hash.map(|hash| keys::charge(customer, hash)));
        let mut found = self
            .0
            .batch_get(
                [Some(points.clone()), charge.clone()]
                    .into_iter()
                    .flatten()
                    .map(|key| (table, key)),
            )
            .await?;
        let made = charge.and_then(|key| found.take(&key)).map(read).transpose()?;
        Ok((balance_in(found.take(&points).as_ref())?, made))
    }

    /// Sets a balance, if it is unchanged since it was read.
    pub fn set_balance(self, customer: &CustomerId, seen: Won, balance: Won) -> Write {
        let unchanged = if seen == Won::ZERO {
            "attribute_not_exists(balance) OR balance = :seen"
        } else {
            "balance = :seen"
        };
        Write::update(&self.0.tables.customers, keys::points(customer), "SET balance = :balance")
            .when(unchanged)
            .value(":seen", number(seen.get()))
            .value(":balance", number(balance.get()))
    }

    /// Subtracts points, if the balance covers them.
    pub fn debit(self, customer: &CustomerId, points: Won) -> Write {
        let enough = "balance >= :points";
        let condition = if points == Won::ZERO {
            "attribute_not_exists(balance) OR balance >= :points"
        } else {
            enough
        };
        Write::update(
            &self.0.tables.customers,
            keys::points(customer),
            "SET balance = if_not_exists(balance, :none) - :points",
        )
        .when(condition)
        .value(":points", number(points.get()))
        .value(":none", number(0))
    }

    /// Adds points, if the balance stays within its limit.
    pub fn credit(self, customer: &CustomerId, points: Won) -> Write {
        let expression = "SET balance = if_not_exists(balance, :none) + :points";
        Write::update(&self.0.tables.customers, keys::points(customer), expression)
            .when("attribute_not_exists(balance) OR balance <= :room")
            .value(":points", number(points.get()))
            .value(":none", number(0))
            .value(":room", number(Won::MAX.less(points).get()))
    }

    /// Appends an entry to a customer's ledger.
    pub fn append_ledger_entry(self, customer: &CustomerId, entry: &Entry) -> Result<Write, Fault> {
        Ok(Write::put(
            &self.0.tables.customers,
            row(&keys::ledger(customer, &entry.entry_id), entry)?,
        )
        .when_new())
    }

    /// Records the charge made under an idempotency key.
    pub fn put_charge(self, charge: &Charge, key_hash: &str) -> Result<Write, Fault> {
        Ok(Write::put(
            &self.0.tables.customers,
            row(&keys::charge(&charge.customer_id, key_hash), charge)?,
        )
        .when_new())
    }

    /// A page of a customer's ledger, newest entry first. `Page::next` is the id of the last entry.
    pub async fn ledger(
        self,
        customer: &CustomerId,
        page: &PageRequest,
    ) -> Result<Page<Entry>, Fault> {
        let pk = keys::customer(customer);
        let query = Query {
            table: &self.0.tables.customers,
            pk: &pk,
            prefix: keys::LEDGER,
            newest_first: true,
        };
        let after = page.after.as_ref().map(|entry| format!("{}{entry}", keys::LEDGER));
        let rows = self.0.query(&query, &PageRequest { after, ..*page }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::LEDGER).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }
}

/// Reads the balance from a row. Zero if there is no row.
pub fn balance_in(row: Option<&Item>) -> Result<Won, Fault> {
    let Some(row) = row else { return Ok(Won::ZERO) };
    Won::new(whole(row, "balance")?).map_err(Fault::broken)
}
