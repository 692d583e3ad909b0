//! Webhooks: the subscribed endpoints, and the log of their deliveries.

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

/// How long deliveries stay in the log.
const RETENTION: Duration = Duration::from_hours(30 * 24);

/// A subscribed endpoint, with its secrets encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The webhook's name.
    pub name: WebhookName,
    /// The endpoint's URL.
    pub url: String,
    /// The event types that it is subscribed to.
    pub events: Vec<EventType>,
    /// Whether events are delivered to it.
    pub active: bool,
    /// Why the webhook is disabled, if its endpoint caused that (`410 Gone`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_because: Option<String>,
    /// The signing secret, encrypted.
    pub secret: String,
    /// The replaced secrets, latest first. Each still signs until its end time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<PreviousSecret>,
    /// When the webhook was created.
    pub created_at: Timestamp,
    /// When the webhook was last changed.
    pub updated_at: Timestamp,
    /// The number of writes of this row, for optimistic concurrency.
    pub writes: i64,
}

/// A replaced signing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// The secret, encrypted.
    pub secret: String,
    /// Until when the secret signs beside its successor.
    pub until: Timestamp,
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeliveryStatus {
    /// Waiting for its first or next attempt.
    Pending,
    /// The endpoint accepted it.
    Delivered,
    /// No more attempts: the schedule is exhausted, or the endpoint accepts no more deliveries.
    Failed,
}

/// One delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAttempt {
    /// The time of the attempt.
    pub at: Timestamp,
    /// The duration, in milliseconds.
    pub took_ms: u64,
    /// The HTTP status of the response, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error, if there was no response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The delivery of one event to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDelivery {
    /// The delivery's id. Ids sort by the time of the event.
    pub delivery_id: DeliveryId,
    /// The webhook's name.
    pub webhook: WebhookName,
    /// When the webhook was created. A webhook created later under the same name is a different
    /// one. Absent for a webhook that the template defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
    /// The event's id: the same for every attempt.
    pub event_id: String,
    /// The event's type.
    pub event_type: EventType,
    /// The body, sent byte for byte.
    pub body: String,
    /// The status of the delivery.
    pub status: DeliveryStatus,
    /// The attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// The start of the retry schedule. A replay restarts it.
    pub begun_at: Timestamp,
    /// Failed attempts in the current retry schedule.
    pub failed_in_row: usize,
    /// Why there are no more attempts, if the delivery failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_because: Option<String>,
    /// The time of the next attempt. While a worker has claimed the delivery, the end of the claim.
    pub next_attempt_at: Timestamp,
    /// When the event was received.
    pub created_at: Timestamp,
    /// The number of writes of this row, for optimistic concurrency.
    pub writes: i64,
}

/// A due delivery, identified by its row's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DueWebhookDelivery {
    /// The webhook's name.
    pub webhook: WebhookName,
    /// The delivery's id.
    pub delivery_id: DeliveryId,
    /// The time of the due attempt. If the row has a different one, the delivery has progressed
    /// since, and a newer message exists for it.
    pub next_attempt_at: Timestamp,
}

impl From<&WebhookDelivery> for DueWebhookDelivery {
    fn from(delivery: &WebhookDelivery) -> Self {
        let WebhookDelivery { webhook, delivery_id, next_attempt_at, .. } = delivery.clone();
        Self { webhook, delivery_id, next_attempt_at }
    }
}

impl Webhooks<'_> {
    /// Reads a webhook.
    pub async fn get(self, name: &WebhookName) -> Result<Option<Webhook>, Fault> {
        self.0.get(&self.0.tables.webhooks, &keys::webhook(name)).await?.map(read).transpose()
    }

    /// Reads all webhooks, by name.
    pub async fn all(self) -> Result<Vec<Webhook>, Fault> {
        let query = Query {
            table: &self.0.tables.webhooks,
            pk: keys::WEBHOOKS,
            prefix: "",
            newest_first: false,
        };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Writes a webhook, if it is unchanged since it was read (`writes` is one more than then).
    /// Returns whether it was written.
    pub async fn put(self, webhook: &Webhook) -> Result<bool, Fault> {
        let put = Write::put(&self.0.tables.webhooks, row(&keys::webhook(&webhook.name), webhook)?);
        Transaction::default()
            .with(if_unchanged(put, webhook.writes), ())
            .commit_if_unchanged(self.0)
            .await
    }

    /// Deletes a webhook, without a condition. Its log expires.
    pub async fn remove(self, name: &WebhookName) -> Result<(), Fault> {
        let delete = Write::delete(&self.0.tables.webhooks, keys::webhook(name));
        Transaction::default().with(delete, ()).commit_unconditional(self.0).await
    }

    /// Reads a delivery.
    pub async fn delivery(
        self,
        name: &WebhookName,
        id: &DeliveryId,
    ) -> Result<Option<WebhookDelivery>, Fault> {
        self.0
            .get(&self.0.tables.webhooks, &keys::webhook_delivery(name, id))
            .await?
            .map(read)
            .transpose()
    }

    /// Writes a delivery, if it is unchanged since it was read (`writes` is one more than then).
    /// Returns whether it was written.
    pub async fn put_delivery(self, delivery: &WebhookDelivery) -> Result<bool, Fault> {
        let key = keys::webhook_delivery(&delivery.webhook, &delivery.delivery_id);
        let mut item: Item = row(&key, delivery)?;
        item.insert("expiresAt".into(), number(delivery.created_at.plus(RETENTION).seconds()));
        if delivery.status == DeliveryStatus::Pending {
            item.insert("dueWebhook".into(), text(&delivery.webhook));
        }
        let put = if_unchanged(Write::put(&self.0.tables.webhooks, item), delivery.writes);
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await
    }

    /// Up to `limit` deliveries to a webhook that were due at `by`, longest overdue first. The
    /// index is eventually consistent.
    pub async fn due_deliveries(
        self,
        name: &WebhookName,
        by: Timestamp,
        limit: i32,
    ) -> Result<Vec<DueWebhookDelivery>, Fault> {
        let table = self.0.tables.webhooks.as_str();
        let call = || {
            let request = self.0.client.query().table_name(table).index_name("due");
            let request =
                request.key_condition_expression("dueWebhook = :webhook AND nextAttemptAt <= :by");
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
        self.0.send(call).await?.items.unwrap_or_default().into_iter().map(due).collect()
    }

    /// Postpones a due delivery until `until`, when the index returns it again. Returns `false` if
    /// it was no longer due.
    pub async fn postpone_delivery(
        self,
        due: &DueWebhookDelivery,
        until: Timestamp,
    ) -> Result<bool, Fault> {
        let key = keys::webhook_delivery(&due.webhook, &due.delivery_id);
        let expression = "SET nextAttemptAt = :until, writes = writes + :one";
        let update = Write::update(&self.0.tables.webhooks, key, expression);
        let update = update.when("nextAttemptAt = :seen").value(":seen", text(due.next_attempt_at));
        let update = update.value(":until", text(until)).value(":one", number(1));
        Transaction::default().with(update, ()).commit_if_unchanged(self.0).await
    }

    /// A page of the deliveries to a webhook, newest first. `Page::next` is the id of the last
    /// delivery.
    pub async fn deliveries(
        self,
        name: &WebhookName,
        page: &PageRequest,
    ) -> Result<Page<WebhookDelivery>, Fault> {
        let pk = keys::webhook_deliveries(name);
        let query =
            Query { table: &self.0.tables.webhooks, pk: &pk, prefix: "", newest_first: true };
        let rows = self.0.query(&query, page).await?;
        Ok(Page {
            entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?,
            next: rows.next,
        })
    }
}

/// The write requires that the row is unchanged since it was read: `writes` is one more than then.
fn if_unchanged(write: Write, writes: i64) -> Write {
    match writes {
        1 => write.when_new(),
        writes => write.when("writes = :seen").value(":seen", number(writes - 1)),
    }
}
