//! Webhooks: who wants to be told of which events, and what became of each delivery.

use crate::{
    Item, Page, PageRequest, Transaction, Webhooks, Write,
    item::{number, read, row, string, text},
    keys,
    read::Query,
};
use domain::{DeliveryId, Fault, Timestamp, WebhookName};
use events::EventType;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long deliveries are kept in the log.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// A receiver of events, with its secrets sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Its name.
    pub name: WebhookName,
    /// Where it is.
    pub url: String,
    /// The events that it wants.
    pub events: Vec<EventType>,
    /// Whether it is told anything.
    pub active: bool,
    /// Why it is not, if it said so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_because: Option<String>,
    /// The secret that signs for it, sealed.
    pub secret: String,
    /// The secrets that did before, the latest first: each still does until its time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<PreviousSecret>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How often it was written.
    pub writes: i64,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// The secret, sealed.
    pub secret: String,
    /// Until when it signs beside its successor.
    pub until: Timestamp,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeliveryStatus {
    /// It is to be tried, for the first time or again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up: it failed too often, or the receiver wants nothing more.
    Failed,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAttempt {
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The receiver's status, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A delivery of one event to one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDelivery {
    /// Its id: sorted by the time of the event.
    pub delivery_id: DeliveryId,
    /// To whom.
    pub webhook: WebhookName,
    /// Since when the webhook is registered: one of the same name that was registered later is another one. Nothing, if the
    /// template names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
    /// The event's id: the same for every attempt.
    pub event_id: String,
    /// The event's type.
    pub event_type: EventType,
    /// What is sent, byte for byte.
    pub body: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Every attempt, the first first.
    pub attempts: Vec<DeliveryAttempt>,
    /// When the schedule began: anew with a replay.
    pub begun_at: Timestamp,
    /// How many attempts of the schedule failed.
    pub failed_in_row: usize,
    /// Why it was given up, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_because: Option<String>,
    /// When it is to be tried next, and by whom it was claimed until then.
    pub next_attempt_at: Timestamp,
    /// When the event was told to us.
    pub created_at: Timestamp,
    /// How often it was written.
    pub writes: i64,
}

/// A delivery that is due, as its row's key names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DueWebhookDelivery {
    /// To whom.
    pub webhook: WebhookName,
    /// Which delivery.
    pub delivery_id: DeliveryId,
    /// For which attempt: if the row says otherwise, it has gone on since, and another message tells of that.
    pub next_attempt_at: Timestamp,
}

impl From<&WebhookDelivery> for DueWebhookDelivery {
    fn from(delivery: &WebhookDelivery) -> Self {
        let WebhookDelivery { webhook, delivery_id, next_attempt_at, .. } = delivery.clone();
        Self { webhook, delivery_id, next_attempt_at }
    }
}

impl Webhooks<'_> {
    /// A webhook.
    pub async fn get(self, name: &WebhookName) -> Result<Option<Webhook>, Fault> {
        self.0.get(&self.0.tables.webhooks, &keys::webhook(name)).await?.map(read).transpose()
    }

    /// Every webhook, by name.
    pub async fn all(self) -> Result<Vec<Webhook>, Fault> {
        let query = Query { table: &self.0.tables.webhooks, pk: keys::WEBHOOKS, prefix: "", newest_first: false };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Puts a webhook, if nobody wrote it since it was seen (`writes` is one more than then); tells whether it did.
    pub async fn put(self, webhook: &Webhook) -> Result<bool, Fault> {
        let put = Write::put(&self.0.tables.webhooks, row(&keys::webhook(&webhook.name), webhook)?);
        Transaction::default().with(unwritten_since(put, webhook.writes), ()).commit_if_new(self.0).await
    }

    /// Removes a webhook; its log expires. There is nothing to assert.
    pub async fn remove(self, name: &WebhookName) -> Result<(), Fault> {
        let delete = Write::delete(&self.0.tables.webhooks, keys::webhook(name));
        Transaction::default().with(delete, ()).commit_unconditional(self.0).await
    }

    /// A delivery.
    pub async fn delivery(self, name: &WebhookName, id: &DeliveryId) -> Result<Option<WebhookDelivery>, Fault> {
        self.0.get(&self.0.tables.webhooks, &keys::webhook_delivery(name, id)).await?.map(read).transpose()
    }

    /// Puts a delivery, if nobody wrote it since it was seen (`writes` is one more than then); tells whether it did.
    pub async fn put_delivery(self, delivery: &WebhookDelivery) -> Result<bool, Fault> {
        let key = keys::webhook_delivery(&delivery.webhook, &delivery.delivery_id);
        let mut item: Item = row(&key, delivery)?;
        item.insert("expiresAt".into(), number(delivery.created_at.plus(KEPT).seconds()));
        if delivery.status == DeliveryStatus::Pending {
            item.insert("dueWebhook".into(), text(&delivery.webhook));
        }
        let put = unwritten_since(Write::put(&self.0.tables.webhooks, item), delivery.writes);
        Transaction::default().with(put, ()).commit_if_new(self.0).await
    }

    /// At most `limit` deliveries to a webhook that were to be tried by a time, the longest overdue first. The index follows the
    /// rows by a moment.
    pub async fn due_deliveries(
        self,
        name: &WebhookName,
        by: Timestamp,
        limit: i32,
    ) -> Result<Vec<DueWebhookDelivery>, Fault> {
        let table = self.0.tables.webhooks.as_str();
        let call = || {
            let request = self.0.client.query().table_name(table).index_name("due");
            let request = request.key_condition_expression("dueWebhook = :webhook AND nextAttemptAt <= :by");
            let request = request.expression_attribute_values(":webhook", text(name));
            request.expression_attribute_values(":by", text(by)).limit(limit).send()
        };
        let due = |item: Item| {
            Ok(DueWebhookDelivery {
                webhook: name.clone(),
                delivery_id: string(&item, "sk")?.parse().map_err(Fault::broken)?,
                next_attempt_at: string(&item, "nextAttemptAt")?.parse().map_err(Fault::broken)?,
            })
        };
        self.0.ask(call).await?.items.unwrap_or_default().into_iter().map(due).collect()
    }

    /// Puts a delivery that is due off until a time, by which it is found again; tells whether it was still due.
    pub async fn postpone_delivery(self, due: &DueWebhookDelivery, until: Timestamp) -> Result<bool, Fault> {
        let key = keys::webhook_delivery(&due.webhook, &due.delivery_id);
        let expression = "SET nextAttemptAt = :until, writes = writes + :one";
        let update = Write::update(&self.0.tables.webhooks, key, expression);
        let update = update.when("nextAttemptAt = :seen").value(":seen", text(due.next_attempt_at));
        let update = update.value(":until", text(until)).value(":one", number(1));
        Transaction::default().with(update, ()).commit_if_new(self.0).await
    }

    /// The deliveries to a webhook, the newest first. A page's `next` is the id of its last.
    pub async fn deliveries(self, name: &WebhookName, page: &PageRequest) -> Result<Page<WebhookDelivery>, Fault> {
        let pk = keys::webhook_deliveries(name);
        let query = Query { table: &self.0.tables.webhooks, pk: &pk, prefix: "", newest_first: true };
        let rows = self.0.query(&query, page).await?;
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next: rows.next })
    }
}

/// The write happens only if the row was written once less than it will have been.
fn unwritten_since(write: Write, writes: i64) -> Write {
    match writes {
        1 => write.when_new(),
        writes => write.when("writes = :seen").value(":seen", number(writes - 1)),
    }
}
