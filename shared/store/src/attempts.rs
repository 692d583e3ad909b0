//! Attempts to charge cards: one row each. While an attempt has not ended, its row is in the index of what is due, and each of
//! its changes is in the stream.

use crate::{
    Attempts, Item, Transaction, Write,
    due::{Due, DueKind},
    item::{number, read, row, string, text},
    keys::{self, Key},
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Fault, OrderId, Timestamp,
    payment::{Attempt, AttemptStatus, Payable},
};
use serde::{Deserialize, Serialize};

/// In how many parts the index of attempts that are due is kept, so that no part is hot.
pub const ATTEMPT_SHARDS: u8 = 4;

/// An attempt that is due, as its row's key names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DueAttempt {
    /// What is paid.
    pub payable: Payable,
    /// Which attempt.
    pub attempt: u32,
    /// When it is due: if the row says otherwise, it has gone on since, and another message tells of that.
    pub due_at: Timestamp,
}

/// Reads an attempt's row.
pub(crate) fn attempt_in(item: Item) -> Result<Attempt, Fault> {
    read(item)
}

/// The attempt that an image of the stream holds.
pub fn attempt_in_image(image: serde_dynamo::Item) -> Result<Attempt, Fault> {
    serde_dynamo::from_item(image).map_err(Fault::broken)
}

/// Whether a row of the orders table is an attempt's, by its sort key.
pub fn is_attempt(sk: &str) -> bool {
    sk.starts_with(keys::ATTEMPT)
}

/// A status as a row has it.
fn status_value(status: AttemptStatus) -> Result<AttributeValue, Fault> {
    serde_dynamo::to_attribute_value(status).map_err(Fault::broken)
}

/// The write happens only if the attempt is still as it was seen.
fn as_seen(write: Write, seen: &Attempt) -> Result<Write, Fault> {
    let write = write.when("#status = :seen AND asks = :asks AND looks = :looks").name("#status", "status");
    let write = write.value(":asks", number(seen.asks.into())).value(":looks", number(seen.looks.into()));
    Ok(write.value(":seen", status_value(seen.status)?))
}

fn due_shard(attempt: &Attempt) -> String {
    Due::new(DueKind::Attempt, attempt.payable.as_str(), ATTEMPT_SHARDS).shard_name()
}

impl Attempts<'_> {
    fn row(self, attempt: &Attempt) -> Result<Write, Fault> {
        let mut item = row(&keys::attempt(&attempt.payable, attempt.attempt), attempt)?;
        if attempt.due_at.is_some() {
            item.insert("dueShard".into(), text(due_shard(attempt)));
        }
        Ok(Write::put(&self.0.tables.orders, item))
    }

    /// Writes an attempt that is about to be made.
    pub fn put(self, attempt: &Attempt) -> Result<Write, Fault> {
        Ok(self.row(attempt)?.when_new())
    }

    /// Writes an attempt anew, if it is still as it was seen: not only its status, for it may have been asked for again.
    pub fn replace(self, attempt: &Attempt, seen: &Attempt) -> Result<Write, Fault> {
        as_seen(self.row(attempt)?, seen)
    }

    /// Writes an attempt anew on its own, if it is still as it was seen; tells whether it was.
    pub async fn update(self, attempt: &Attempt, seen: &Attempt) -> Result<bool, Fault> {
        Transaction::default().with(self.replace(attempt, seen)?, ()).commit_if_new(self.0).await
    }

    /// Marks the attempt that paid an order as one whose charge goes back.
    pub(crate) fn refund(self, order: &OrderId, attempt: u32, now: Timestamp) -> Result<Write, Fault> {
        let payable = Payable::Order(order.clone());
        let shard = Due::new(DueKind::Attempt, payable.as_str(), ATTEMPT_SHARDS).shard_name();
        let expression = "SET #status = :refunding, updatedAt = :now, dueAt = :now, dueShard = :shard, looks = :none";
        let update = Write::update(&self.0.tables.orders, keys::attempt(&payable, attempt), expression);
        let update = update.when("#status = :paid").name("#status", "status").value(":now", text(now));
        let update = update.value(":paid", status_value(AttemptStatus::Paid)?).value(":shard", text(shard));
        let update = update.value(":none", number(0));
        Ok(update.value(":refunding", status_value(AttemptStatus::Refunding)?))
    }

    /// Asserts that an attempt is still as it was seen.
    pub fn check(self, seen: &Attempt) -> Result<Write, Fault> {
        let key = keys::attempt(&seen.payable, seen.attempt);
        as_seen(Write::check(&self.0.tables.orders, key), seen)
    }

    /// Asserts that there is no such attempt yet.
    pub fn check_none(self, order: &OrderId, attempt: u32) -> Write {
        Write::check(&self.0.tables.orders, keys::attempt(&Payable::Order(order.clone()), attempt)).when_new()
    }

    /// Attempts that were due at `due_before` in one part of the index, the longest overdue first, and where the next page begins.
    pub async fn overdue(
        self,
        shard: u8,
        due_before: Timestamp,
        from: Option<Item>,
    ) -> Result<(Vec<DueAttempt>, Option<Item>), Fault> {
        let (rows, next) = self.0.overdue(&DueKind::Attempt.shard_name(shard), due_before, from).await?;
        let due = |item: &Item| {
            let payable = keys::payable_in(string(item, "pk")?);
            let attempt = string(item, "sk")?.trim_start_matches(keys::ATTEMPT).parse().map_err(Fault::broken)?;
            let due_at = string(item, "dueAt")?.parse().map_err(Fault::broken)?;
            Ok(DueAttempt { payable: payable.map_err(Fault::broken)?, attempt, due_at })
        };
        Ok((rows.iter().map(due).collect::<Result<_, Fault>>()?, next))
    }

    /// Makes an attempt that is overdue due now, so that the stream tells of it again, unless it has gone on since.
    pub async fn remind(self, due: &DueAttempt, now: Timestamp) -> Result<bool, Fault> {
        let key: Key = keys::attempt(&due.payable, due.attempt);
        let update = Write::update(&self.0.tables.orders, key, "SET dueAt = :now");
        let update = update.when("dueAt = :seen").value(":seen", text(due.due_at)).value(":now", text(now));
        Transaction::default().with(update, ()).commit_if_new(self.0).await
    }
}
