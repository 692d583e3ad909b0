//! What the functions that register webhooks share: how one is shown, and why one is refused.

use crate::endpoints::{Choice, Endpoint, PURPOSE};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Fault, Timestamp, WebhookName};
use events::EventType;
use schemars::JsonSchema;
use serde::Serialize;
use store::{vault::Vault, webhooks::Webhook};

/// A webhook as it is shown. Its secret is not.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookResponse {
    /// Its name.
    pub(crate) name: WebhookName,
    /// Where it is.
    pub(crate) url: String,
    /// The events that it wants.
    pub(crate) events: Vec<EventType>,
    /// Whether of these it wants only those of orders that a campaign brought.
    pub(crate) only_of_campaigns: bool,
    /// Whether it is told anything.
    pub(crate) active: bool,
    /// Why it is not, if it said so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disabled_because: Option<String>,
    /// The secret that signs for it: shown once, when it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// Until when a secret before it signs too.
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
            Choice::Statuses => EventType::ALL.iter().copied().filter(|one| one.is_of_status()).collect(),
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

/// A new secret, as it is shown once and as it is kept.
pub(crate) async fn new_secret(vault: &Vault, name: &WebhookName) -> Result<(String, String), Fault> {
    let secret = format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()));
    let sealed = vault.seal((PURPOSE, name.as_str()), &secret).await?;
    Ok((secret, sealed))
}
