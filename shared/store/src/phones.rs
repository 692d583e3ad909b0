//! Phones: verification codes, and limits on the messages to one number per day.

use crate::{
    Item, Phones, Transaction, Write,
    item::{number, row, string, text, whole},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    CustomerId, Fault, Timestamp,
    campaign::Day,
    phone::{Dialled, MobileNumber},
};
use serde::Serialize;
use std::time::Duration;

/// How long a code is valid.
pub const CODE_VALID_FOR: Duration = Duration::from_mins(5);

/// The most attempts to enter a code.
const MAX_TRIES: i64 = 5;

/// The most codes sent to one number per day (Korean time).
pub const MAX_CODES: i64 = 5;

/// The most messages sent to one number per day (Korean time), including codes.
pub const MAX_MESSAGES: i64 = 30;

/// How long a day's counters are stored.
const COUNT_RETENTION: Duration = Duration::from_hours(48);

/// A condition of the transaction that stores a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeCondition {
    /// The number has not reached its limit of codes for today.
    Codes,
    /// The number has not reached its limit of messages for today.
    Messages,
    /// The code itself. Its write has no condition.
    Code,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Code<'a> {
    digest: String,
    phone: &'a str,
    tries: i64,
    valid_until: Timestamp,
    expires_at: i64,
}

fn digest(customer: &CustomerId, phone: &MobileNumber, code: &str) -> String {
    domain::phone::digest(&format!("{customer} {} {code}", phone.dialled().as_str()))
}

impl Phones<'_> {
    fn count(self, kind: keys::Counted, phone: &Dialled, most: i64, now: Timestamp) -> Write {
        let key = keys::phone_count(kind, &domain::phone::digest(phone.as_str()), Day::of(now));
        let set = "SET times = if_not_exists(times, :none) + :one, expiresAt = :expiry";
        Write::update(&self.0.tables.customers, key, set)
            .when("attribute_not_exists(pk) OR times < :most")
            .value(":none", number(0))
            .value(":one", number(1))
            .value(":most", number(most))
            .value(":expiry", number(now.plus(COUNT_RETENTION).seconds()))
    }

    /// Counts a message to a number. Returns `false`, and counts nothing, if the number has reached
    /// its daily limit.
    pub async fn count_message(self, phone: &Dialled, now: Timestamp) -> Result<bool, Fault> {
        let count = self.count(keys::Counted::Messages, phone, MAX_MESSAGES, now);
        Transaction::default().with(count, ()).commit_if_unchanged(self.0).await
    }

    /// Reverts the count of a message that was not sent. It is counted again when it is retried.
    /// `counted_at` is the time of the count.
    pub async fn uncount_message(
        self,
        phone: &Dialled,
        counted_at: Timestamp,
    ) -> Result<(), Fault> {
        let digest = domain::phone::digest(phone.as_str());
        let key = keys::phone_count(keys::Counted::Messages, &digest, Day::of(counted_at));
        let fewer = Write::update(&self.0.tables.customers, key, "SET times = times - :one");
        let fewer = fewer.when("times >= :one").value(":one", number(1));
        Transaction::default().with(fewer, ()).commit_if_unchanged(self.0).await.map(drop)
    }

    /// Stores the code that is about to be sent to a customer's phone, replaces an earlier one, and
    /// counts the message.
    pub fn put_code(
        self,
        customer: &CustomerId,
        phone: &MobileNumber,
        code: &str,
        now: Timestamp,
    ) -> Result<Transaction<CodeCondition>, Fault> {
        let valid_until = now.plus(CODE_VALID_FOR);
        let code = Code {
            digest: digest(customer, phone, code),
            phone: phone.as_str(),
            tries: 0,
            valid_until,
            expires_at: valid_until.seconds() + 1,
        };
        let put = Write::put(&self.0.tables.customers, row(&keys::phone_code(customer), &code)?);
        let to = phone.dialled();
        Ok(Transaction::default()
            .with(self.count(keys::Counted::Codes, &to, MAX_CODES, now), CodeCondition::Codes)
            .with(
                self.count(keys::Counted::Messages, &to, MAX_MESSAGES, now),
                CodeCondition::Messages,
            )
            .with(put, CodeCondition::Code))
    }

    /// Checks a code, and verifies the customer's phone number if the code is correct. Returns
    /// whether it is. Each attempt is counted before the code is compared, so concurrent attempts
    /// do not exceed the limit.
    pub async fn try_code(
        self,
        customer: &CustomerId,
        phone: &MobileNumber,
        code: &str,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let (table, key) = (self.0.tables.customers.as_str(), keys::phone_code(customer));
        let tried = Write::update(table, key.clone(), "SET tries = tries + :one")
            .when("attribute_exists(pk) AND tries < :most AND validUntil > :now AND phone = :phone")
            .value(":one", number(1))
            .value(":most", number(MAX_TRIES))
            .value(":now", text(now))
            .value(":phone", text(phone.as_str()));
        if !Transaction::default().with(tried, ()).commit_if_unchanged(self.0).await? {
            return Ok(false);
        }
        let Some(stored) = self.0.get(table, &key).await? else { return Ok(false) };
        let is_right = string(&stored, "digest")? == digest(customer, phone, code)
            && tries_in(&stored)? <= MAX_TRIES;
        if !is_right {
            return Ok(false);
        }
        let verified =
            Write::update(table, keys::customer_profile(customer), "SET phoneVerified = :true")
                .when("phone = :phone")
                .value(":true", AttributeValue::Bool(true))
                .value(":phone", text(phone.as_str()));
        let used = Write::delete(table, key).when("attribute_exists(pk)");
        Transaction::default().with(verified, ()).with(used, ()).commit_if_unchanged(self.0).await
    }
}

fn tries_in(code: &Item) -> Result<i64, Fault> {
    whole(code, "tries")
}
