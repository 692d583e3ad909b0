//! Notifications: what a customer was told of an order, by which channel; a row for each, so that nothing is told twice.

use crate::{
    Item, Notifications, Transaction, Write,
    item::{read, row, text},
    keys,
    read::Query,
};
use domain::{Fault, OrderId, Timestamp, order::Status};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// How long whoever sends a notification may take before another may try: longer than any call.
const CLAIMED_FOR: Duration = Duration::from_secs(30);

/// A way to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channel {
    /// KakaoTalk (알림톡).
    Kakao,
    /// A text message.
    Sms,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kakao => "KAKAO",
            Self::Sms => "SMS",
        })
    }
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum NotificationStatus {
    /// Somebody is about to send it.
    Sending,
    /// The provider took it.
    Sent,
    /// The provider will never take it.
    Failed,
    /// It was dropped, for there was too much to send.
    Shed,
}

/// A notification of an order's version by a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The version of the order that it tells of.
    pub version: u32,
    /// The status that the order took with it.
    pub order_status: Status,
    /// By which channel.
    pub channel: Channel,
    /// What became of it.
    pub status: NotificationStatus,
    /// Since when.
    pub at: Timestamp,
    /// What the provider said, where it will not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Notification {
    /// The same notification, of which this became now.
    #[must_use]
    pub fn now_is(&self, status: NotificationStatus, at: Timestamp) -> Self {
        Self { status, at, ..self.clone() }
    }
}

/// What a notification's row holds.
pub(crate) fn notification_in(item: Item) -> Result<Notification, Fault> {
    read(item)
}

impl Notifications<'_> {
    /// What a customer was told of a version of an order.
    pub async fn of_version(self, order: &OrderId, version: u32) -> Result<Vec<Notification>, Fault> {
        let (pk, prefix) = (keys::order_rows(order), keys::notifications(version));
        let query = Query { table: &self.0.tables.views, pk: &pk, prefix: &prefix, newest_first: false };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Keeps a notification, unless something became of it already or somebody is about to send it; tells whether it did. One
    /// that is [`NotificationStatus::Sending`] is a claim: who makes it sends it, and nobody else does for a while.
    pub async fn claim(self, order: &OrderId, notification: &Notification) -> Result<bool, Fault> {
        let free = "attribute_not_exists(pk) OR (#status = :sending AND #at <= :expired)";
        let expired = notification.at.minus(CLAIMED_FOR);
        let put = self.put(order, notification)?.when(free).name("#status", "status").name("#at", "at");
        let put = put.value(":sending", text("SENDING")).value(":expired", text(expired));
        Transaction::default().with(put, ()).commit_if_new(self.0).await
    }

    /// Gives a claim back: the notification is to be sent, and nobody is at it.
    pub async fn release(self, order: &OrderId, claim: &Notification) -> Result<(), Fault> {
        let key = keys::notification(order, claim.version, claim.channel);
        let release = mine(Write::delete(&self.0.tables.views, key), claim);
        Transaction::default().with(release, ()).commit_if_new(self.0).await.map(drop)
    }

    /// Says what became of a notification that was claimed, unless somebody else took it over since.
    pub async fn conclude(self, order: &OrderId, claim: &Notification, outcome: &Notification) -> Result<(), Fault> {
        let put = mine(self.put(order, outcome)?, claim);
        Transaction::default().with(put, ()).commit_if_new(self.0).await.map(drop)
    }

    fn put(self, order: &OrderId, notification: &Notification) -> Result<Write, Fault> {
        let key = keys::notification(order, notification.version, notification.channel);
        Ok(Write::put(&self.0.tables.views, row(&key, notification)?))
    }
}

/// The write happens only if the claim is still as it was made.
fn mine(write: Write, claim: &Notification) -> Write {
    let write = write.when("#status = :sending AND #at = :claimed").name("#status", "status").name("#at", "at");
    write.value(":sending", text("SENDING")).value(":claimed", text(claim.at))
}
