//! Attempts to pay orders at the gateway: one row each. An attempt that is not at its end is in the stream until it is.

use crate::{
    Item, Store, Write,
    item::{read, row, text},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Fault, OrderId, Timestamp,
    payment::{Attempt, AttemptStatus},
};

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
fn stands(status: AttemptStatus) -> Result<AttributeValue, Fault> {
    serde_dynamo::to_attribute_value(status).map_err(Fault::broken)
}

/// The write happens only if the attempt is still as it was seen.
fn as_seen(write: Write, seen: &Attempt) -> Result<Write, Fault> {
    let write = write.when("#status = :seen AND updatedAt = :at").name("#status", "status");
    Ok(write.value(":seen", stands(seen.status)?).value(":at", text(seen.updated_at)))
}

impl Store {
    fn attempt_row(&self, attempt: &Attempt) -> Result<Write, Fault> {
        Ok(Write::put(&self.tables.orders, row(&keys::attempt(&attempt.order_id, attempt.attempt), attempt)?))
    }

    /// Writes an attempt that is about to be made.
    pub fn put_attempt(&self, attempt: &Attempt) -> Result<Write, Fault> {
        Ok(self.attempt_row(attempt)?.when_new())
    }

    /// Writes an attempt anew, if it is still as it was seen: not only where it stands, for it may have been asked for again.
    pub fn move_attempt(&self, attempt: &Attempt, seen: &Attempt) -> Result<Write, Fault> {
        as_seen(self.attempt_row(attempt)?, seen)
    }

    /// Marks the attempt that paid an order as one whose charge goes back.
    pub(crate) fn refund_attempt(&self, order: &OrderId, attempt: u32, now: Timestamp) -> Result<Write, Fault> {
        let expression = "SET #status = :refunding, updatedAt = :now";
        let update = Write::update(&self.tables.orders, keys::attempt(order, attempt), expression);
        let update = update.when("#status = :paid").name("#status", "status").value(":now", text(now));
        let update = update.value(":paid", stands(AttemptStatus::Paid)?);
        Ok(update.value(":refunding", stands(AttemptStatus::Refunding)?))
    }

    /// Asserts that an order's attempt is still as it was seen.
    pub fn check_attempt(&self, seen: &Attempt) -> Result<Write, Fault> {
        let key = keys::attempt(&seen.order_id, seen.attempt);
        as_seen(Write::check(&self.tables.orders, key), seen)
    }

    /// Asserts that there is no such attempt yet.
    pub fn check_no_attempt(&self, order: &OrderId, attempt: u32) -> Write {
        Write::check(&self.tables.orders, keys::attempt(order, attempt)).when_new()
    }
}
