//! Whom events are brought to: TMS and TasOn, whom the template's parameters name, and the webhooks that operators register.

use domain::{Fault, NotStarted, Open, Timestamp, Variables, WebhookName};
use edge::Environment;
use events::EventType;
use partners::webhook::Secret;
use store::{Store, vault::Vault, webhooks::Webhook};

/// What a webhook's secrets are sealed for.
pub(crate) const PURPOSE: &str = "webhook";

/// Someone whom events are brought to.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) name: WebhookName,
    pub(crate) url: String,
    pub(crate) choice: Choice,
    pub(crate) is_active: bool,
    /// Since when it is registered; nothing, if the template names it.
    pub(crate) registered_at: Option<Timestamp>,
}

/// Which events an endpoint wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Every other status that an order takes.
    Statuses,
    /// Every event of an order that a campaign brought.
    OfCampaigns,
    /// Events of these types.
    Types(Vec<EventType>),
}

impl Choice {
    /// Whether an event of this type is wanted.
    pub(crate) fn wants(&self, event_type: EventType, is_of_campaign: bool) -> bool {
        match self {
            Self::Statuses => event_type.is_of_status(),
            Self::OfCampaigns => is_of_campaign,
            Self::Types(types) => types.contains(&event_type),
        }
    }
}

/// Everyone whom events are brought to.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) store: Store,
    /// Those whom the template's parameters name.
    pub(crate) named: Vec<Endpoint>,
}

/// The names that operators cannot give: those of the template's own endpoints.
const NAMED: [(&str, Choice); 2] = [("tms", Choice::Statuses), ("tason", Choice::OfCampaigns)];

/// Whether a name is one of the template's own.
pub(crate) fn is_named_by_template(name: &WebhookName) -> bool {
    NAMED.iter().any(|(own, _)| *own == name.as_str())
}

impl Open<Environment> for Endpoints {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let mut named = Vec::new();
        for (name, choice) in NAMED {
            if let Some(url) = env.variable(&format!("{}_URL", name.to_uppercase())) {
                named.push(Endpoint {
                    name: WebhookName::parse(name)?,
                    url,
                    choice,
                    is_active: true,
                    registered_at: None,
                });
            }
        }
        Ok(Self { store: env.open()?, named })
    }
}

impl Endpoints {
    /// Every endpoint.
    pub(crate) async fn all(&self, store: &Store) -> Result<Vec<Endpoint>, Fault> {
        let registered = store.webhooks().all().await?;
        Ok(self.named.iter().cloned().chain(registered.iter().map(endpoint)).collect())
    }

    /// An endpoint by name; with its webhook, unless the template names it.
    pub(crate) async fn find(
        &self,
        store: &Store,
        name: &WebhookName,
    ) -> Result<Option<(Endpoint, Option<Webhook>)>, Fault> {
        if let Some(named) = self.named.iter().find(|endpoint| endpoint.name == *name) {
            return Ok(Some((named.clone(), None)));
        }
        Ok(store.webhooks().get(name).await?.map(|webhook| (endpoint(&webhook), Some(webhook))))
    }
}

/// What signs for endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    vault: Vault,
    named: Vec<(WebhookName, Secret)>,
}

impl Secrets {
    /// The vault of webhooks, and the secrets of the endpoints that the template names.
    pub(crate) fn open(env: &Environment, endpoints: &Endpoints) -> Result<Self, NotStarted> {
        let secret = |Endpoint { name, .. }: &Endpoint| {
            let secret = env.require(&format!("{}_SECRET", name.as_str().to_uppercase()))?;
            Ok::<_, NotStarted>((name.clone(), Secret::parse(&secret)?))
        };
        let named = endpoints.named.iter().map(secret).collect::<Result<_, _>>()?;
        Ok(Self { vault: env.open()?, named })
    }

    /// The secrets that sign for an endpoint now, the latest first.
    pub(crate) async fn of(
        &self,
        endpoint: &Endpoint,
        webhook: Option<&Webhook>,
        now: Timestamp,
    ) -> Result<Vec<Secret>, Fault> {
        let Some(webhook) = webhook else {
            let own = self.named.iter().filter(|(name, _)| *name == endpoint.name);
            return Ok(own.map(|(_, secret)| secret.clone()).collect());
        };
        let previous = webhook.previous.iter().filter(|previous| now < previous.until);
        let mut secrets = Vec::new();
        for sealed in std::iter::once(&webhook.secret).chain(previous.map(|previous| &previous.secret)) {
            let secret = self.vault.unseal((PURPOSE, webhook.name.as_str()), sealed).await?;
            secrets.push(Secret::parse(&secret).map_err(Fault::broken)?);
        }
        Ok(secrets)
    }
}

fn endpoint(webhook: &Webhook) -> Endpoint {
    Endpoint {
        name: webhook.name.clone(),
        url: webhook.url.clone(),
        choice: Choice::Types(webhook.events.clone()),
        is_active: webhook.active,
        registered_at: Some(webhook.created_at),
    }
}
