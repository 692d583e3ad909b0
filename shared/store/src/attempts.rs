//! Card payment attempts, one row each.
//!
//! An attempt without a final result is in the `due` index, and each of its changes is in the
//! stream.

use crate::{
    Attempts, Item, StartKey, Transaction, Write,
    due::{Due, DueKind},
    item::{Key, number, read, row, string, text},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Fault, OrderId, Timestamp,
    payment::{Attempt, AttemptStatus, Payable},
};
use serde::{Deserialize, Serialize};

/// The number of shards of unfinished attempts in the `due` index, so that no shard is hot.
pub const ATTEMPT_SHARDS: u8 = 4;

/// A due attempt, identified by its row's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DueAttempt {
    /// The order or charge that the attempt pays.
    pub payable: Payable,
    /// The number of the attempt.
    pub attempt: u32,
    /// The due time. If the row has a different one, the attempt has progressed since, and a newer
    /// message exists for it.
    pub due_at: Timestamp,
}

/// Reads an attempt from its row.
pub(crate) fn attempt_in(item: Item) -> Result<Attempt, Fault> {
    read(item)
}

/// Reads an attempt from a stream image.
pub fn attempt_in_image(image: serde_dynamo::Item) -> Result<Attempt, Fault> {
    serde_dynamo::from_item(image).map_err(Fault::broken)
}

/// Whether a sort key of the orders table is a payment attempt's.
pub fn is_attempt(sk: &str) -> bool {
    sk.starts_with(keys::ATTEMPT)
}

/// Serialises a status as the row stores it.
fn status_value(status: AttemptStatus) -> Result<AttributeValue, Fault> {
    serde_dynamo::to_attribute_value(status).map_err(Fault::broken)
}

/// The write requires that the attempt is unchanged since it was read.
fn if_unchanged(write: Write, seen: &Attempt) -> Result<Write, Fault> {
    let write = write
        .when("#status = :seen AND chargeRequests = :requests AND checks = :checks")
        .name("#status", "status");
    let write = write
        .value(":requests", number(seen.charge_requests.into()))
        .value(":checks", number(seen.checks.into()));
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

    /// Writes a new attempt, before the gateway is called.
    pub fn put(self, attempt: &Attempt) -> Result<Write, Fault> {
        Ok(self.row(attempt)?.when_new())
    }

    /// Replaces an attempt, if it is unchanged since it was read. Comparing the status alone is not
    /// enough: the gateway may have been called again for the same attempt.
    pub fn replace(self, attempt: &Attempt, seen: &Attempt) -> Result<Write, Fault> {
        if_unchanged(self.row(attempt)?, seen)
    }

    /// Like [`Attempts::replace`], committed on its own. Returns `false` if the attempt has
    /// changed.
    pub async fn update(self, attempt: &Attempt, seen: &Attempt) -> Result<bool, Fault> {
        Transaction::default()
            .with(self.replace(attempt, seen)?, ())
            .commit_if_unchanged(self.0)
            .await
    }

    /// Marks the attempt that paid an order for a refund of its charge.
    pub(crate) fn refund(
        self,
        order: &OrderId,
        attempt: u32,
        now: Timestamp,
    ) -> Result<Write, Fault> {
        let payable = Payable::Order(order.clone());
        let shard = Due::new(DueKind::Attempt, payable.as_str(), ATTEMPT_SHARDS).shard_name();
        let expression = "SET #status = :refunding, updatedAt = :now, dueAt = :now, dueShard = :shard, checks = :none";
        let update =
            Write::update(&self.0.tables.orders, keys::attempt(&payable, attempt), expression);
        let update =
            update.when("#status = :paid").name("#status", "status").value(":now", text(now));
        let update =
            update.value(":paid", status_value(AttemptStatus::Paid)?).value(":shard", text(shard));
        let update = update.value(":none", number(0));
        Ok(update.value(":refunding", status_value(AttemptStatus::Refunding)?))
    }

    /// Asserts that an attempt is unchanged since it was read.
    pub fn check(self, seen: &Attempt) -> Result<Write, Fault> {
        let key = keys::attempt(&seen.payable, seen.attempt);
        if_unchanged(Write::check(&self.0.tables.orders, key), seen)
    }

    /// Asserts that an attempt does not exist yet.
    pub fn check_none(self, order: &OrderId, attempt: u32) -> Write {
        Write::check(&self.0.tables.orders, keys::attempt(&Payable::Order(order.clone()), attempt))
            .when_new()
    }

    /// A page of the attempts of one shard that were due at `due_before`, longest overdue first,
    /// and the start of the next page.
    pub async fn overdue(
        self,
        shard: u8,
        due_before: Timestamp,
        from: Option<StartKey>,
    ) -> Result<(Vec<DueAttempt>, Option<StartKey>), Fault> {
        let (rows, next) =
            self.0.overdue(&DueKind::Attempt.shard_name(shard), due_before, from).await?;
        let due = |item: &Item| {
            let payable = keys::payable_in(string(item, "pk")?);
            let attempt = string(item, "sk")?
                .trim_start_matches(keys::ATTEMPT)
                .parse()
                .map_err(Fault::broken)?;
            let due_at = string(item, "dueAt")?.parse().map_err(Fault::broken)?;
            Ok(DueAttempt { payable: payable.map_err(Fault::broken)?, attempt, due_at })
        };
        Ok((rows.iter().map(due).collect::<Result<_, Fault>>()?, next))
    }

    /// Sets an overdue attempt's due time to now, so that the stream delivers it again. Returns
    /// `false` if the attempt has progressed since.
    pub async fn reschedule(self, due: &DueAttempt, now: Timestamp) -> Result<bool, Fault> {
        let key: Key = keys::attempt(&due.payable, due.attempt);
        let update = Write::update(&self.0.tables.orders, key, "SET dueAt = :now");
        let update =
            update.when("dueAt = :seen").value(":seen", text(due.due_at)).value(":now", text(now));
        Transaction::default().with(update, ()).commit_if_unchanged(self.0).await
    }
}
