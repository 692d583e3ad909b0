//! Notifications sent to customers: one row for each order version and channel, so that none is
//! sent twice.

use crate::{
    Item, Notifications, Transaction, Write,
    item::{read, row, text},
    keys,
    read::Query,
};
use domain::{Fault, OrderId, Timestamp, order::Status};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// How long a claim lasts before another worker may send: longer than any call.
const CLAIMED_FOR: Duration = Duration::from_secs(30);

/// A notification channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channel {
    /// KakaoTalk (알림톡).
    Kakao,
    /// A text message (SMS).
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

/// The status of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum NotificationStatus {
    /// A worker has claimed it and is sending it.
    Sending,
    /// The provider accepted it.
    Sent,
    /// It was rejected permanently, by the provider or by the daily limit of the phone number.
    Failed,
    /// It was dropped to shed load.
    Shed,
}

/// A notification of an order version by one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The order version that it reports.
    pub version: u32,
    /// The status that the order entered with this version.
    pub order_status: Status,
    /// The channel.
    pub channel: Channel,
    /// The status of the notification.
    pub status: NotificationStatus,
    /// When it entered this status.
    pub at: Timestamp,
    /// The error code, if it was rejected: the provider's, or ours for the daily limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Notification {
    /// Returns the same notification with another status, from `at` on.
    #[must_use]
    pub fn now_is(&self, status: NotificationStatus, at: Timestamp) -> Self {
        Self { status, at, ..self.clone() }
    }
}

/// Reads a notification from its row.
pub(crate) fn notification_in(item: Item) -> Result<Notification, Fault> {
    read(item)
}

impl Notifications<'_> {
    /// The notifications of an order version.
    pub async fn of_version(
        self,
        order: &OrderId,
        version: u32,
    ) -> Result<Vec<Notification>, Fault> {
        let (pk, prefix) = (keys::order_rows(order), keys::notifications(version));
        let query =
            Query { table: &self.0.tables.views, pk: &pk, prefix: &prefix, newest_first: false };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Stores a notification, unless it has a final status or another worker's claim is valid.
    /// Returns whether it was stored. With the status [`NotificationStatus::Sending`] it is a
    /// claim: the caller sends the notification, and other workers do not until the claim expires.
    pub async fn claim(self, order: &OrderId, notification: &Notification) -> Result<bool, Fault> {
        let unclaimed = "attribute_not_exists(pk) OR (#status = :sending AND #at <= :expired)";
        let expired = notification.at.minus(CLAIMED_FOR);
        let put = self
            .put(order, notification)?
            .when(unclaimed)
            .name("#status", "status")
            .name("#at", "at");
        let put = put.value(":sending", text("SENDING")).value(":expired", text(expired));
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await
    }

    /// Releases a claim. The notification is still to be sent.
    pub async fn release(self, order: &OrderId, claim: &Notification) -> Result<(), Fault> {
        let key = keys::notification(order, claim.version, claim.channel);
        let release = if_claimed(Write::delete(&self.0.tables.views, key), claim);
        Transaction::default().with(release, ()).commit_if_unchanged(self.0).await.map(drop)
    }

    /// Records the result of a claimed notification, unless another worker has taken the claim
    /// over.
    pub async fn conclude(
        self,
        order: &OrderId,
        claim: &Notification,
        outcome: &Notification,
    ) -> Result<(), Fault> {
        let put = if_claimed(self.put(order, outcome)?, claim);
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await.map(drop)
    }

    fn put(self, order: &OrderId, notification: &Notification) -> Result<Write, Fault> {
        let key = keys::notification(order, notification.version, notification.channel);
        Ok(Write::put(&self.0.tables.views, row(&key, notification)?))
    }
}

/// The write requires that the claim is unchanged since it was made.
fn if_claimed(write: Write, claim: &Notification) -> Write {
    let write = write
        .when("#status = :sending AND #at = :claimed")
        .name("#status", "status")
        .name("#at", "at");
    write.value(":sending", text("SENDING")).value(":claimed", text(claim.at))
}
