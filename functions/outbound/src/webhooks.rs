//! Shared by the functions that manage webhooks: the response, and new secrets.

use crate::endpoints::{Choice, Endpoint, PURPOSE};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Fault, Timestamp, WebhookName};
use events::EventType;
use schemars::JsonSchema;
use serde::Serialize;
use store::{vault::Vault, webhooks::Webhook};

/// A webhook as the API returns it. It contains the secret only when the secret is new.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookResponse {
    /// The webhook's name.
    pub(crate) name: WebhookName,
    /// The URL that receives the events.
    pub(crate) url: String,
    /// The subscribed event types.
    pub(crate) events: Vec<EventType>,
    /// Whether only events of orders that a campaign brought are delivered.
    pub(crate) only_of_campaigns: bool,
    /// Whether events are delivered.
    pub(crate) active: bool,
    /// Why the webhook was disabled, if its receiver responded with 410 Gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disabled_because: Option<String>,
    /// The signing secret. It is returned once, when it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// Until when a previous secret signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous_secret_until: Option<Timestamp>,
}

impl WebhookResponse {
    pub(crate) fn of(webhook: &Webhook, secret: Option<String>, now: Timestamp) -> Self {
        Self {
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            only_of_campaigns: false,
            active: webhook.active,
            disabled_because: webhook.disabled_because.clone(),
            secret,
            previous_secret_until: webhook
                .previous
                .iter()
                .map(|previous| previous.until)
                .filter(|until| now < *until)
                .max(),
        }
    }

    pub(crate) fn of_template(endpoint: &Endpoint) -> Self {
        let events = match &endpoint.choice {
            Choice::Statuses => {
                EventType::ALL.iter().copied().filter(|one| one.is_of_status()).collect()
            }
            Choice::OfCampaigns => EventType::ALL.to_vec(),
            Choice::Types(types) => types.clone(),
        };
        Self {
            name: endpoint.name.clone(),
            url: endpoint.url.clone(),
            events,
            only_of_campaigns: endpoint.choice == Choice::OfCampaigns,
            active: endpoint.is_active,
            disabled_because: None,
            secret: None,
            previous_secret_until: None,
        }
    }
}

/// Creates a signing secret. Returns it in plain text, to be shown once, and encrypted, to be
/// stored.
pub(crate) async fn new_secret(
    vault: &Vault,
    name: &WebhookName,
) -> Result<(String, String), Fault> {
    let secret = format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()));
    let sealed = vault.seal((PURPOSE, name.as_str()), &secret).await?;
    Ok((secret, sealed))
}
