//! The endpoints that receive events: TMS and TasOn, which the template's parameters configure, and
//! the webhooks that operators register.

use domain::{Fault, NotStarted, Open, Timestamp, Variables, WebhookName};
use edge::Environment;
use events::EventType;
use partners::webhook::Secret;
use store::{Store, vault::Vault, webhooks::Webhook};

/// The name in the encryption context of webhook secrets.
pub(crate) const PURPOSE: &str = "webhook";

/// An endpoint that receives events.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) name: WebhookName,
    pub(crate) url: String,
    pub(crate) choice: Choice,
    pub(crate) is_active: bool,
    /// When the webhook was registered; `None` if the template configures the endpoint.
    pub(crate) registered_at: Option<Timestamp>,
}

/// Which events an endpoint receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Every event of a status change.
    Statuses,
    /// Every event of an order that a campaign brought.
    OfCampaigns,
    /// Events of these types.
    Types(Vec<EventType>),
}

impl Choice {
    /// Whether the endpoint receives an event of this type.
    pub(crate) fn accepts(&self, event_type: EventType, is_of_campaign: bool) -> bool {
        match self {
            Self::Statuses => event_type.is_of_status(),
            Self::OfCampaigns => is_of_campaign,
            Self::Types(types) => types.contains(&event_type),
        }
    }
}

/// All endpoints that receive events.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) store: Store,
    /// The endpoints that the template's parameters configure.
    pub(crate) named: Vec<Endpoint>,
}

/// The template's own endpoints. Operators cannot use their names.
const NAMED: [(&str, Choice); 2] = [("tms", Choice::Statuses), ("tason", Choice::OfCampaigns)];

/// Whether a name belongs to one of the template's own endpoints.
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
    /// All endpoints: first those that the template configures, then the webhooks.
    pub(crate) async fn all(&self, store: &Store) -> Result<Vec<Endpoint>, Fault> {
        let registered = store.webhooks().all().await?;
        Ok(self.named.iter().cloned().chain(registered.iter().map(endpoint)).collect())
    }

    /// Finds an endpoint by name. Its webhook is `None` if the template configures the endpoint.
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

/// The signing secrets of all endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    vault: Vault,
    named: Vec<(WebhookName, Secret)>,
}

impl Secrets {
    /// Opens the vault for the secrets of webhooks, and reads those of the endpoints that the
    /// template configures.
    pub(crate) fn open(env: &Environment, endpoints: &Endpoints) -> Result<Self, NotStarted> {
        let secret = |Endpoint { name, .. }: &Endpoint| {
            let secret = env.require(&format!("{}_SECRET", name.as_str().to_uppercase()))?;
            Ok::<_, NotStarted>((name.clone(), Secret::parse(&secret)?))
        };
        let named = endpoints.named.iter().map(secret).collect::<Result<_, _>>()?;
        Ok(Self { vault: env.open()?, named })
    }

    /// The secrets that sign for an endpoint now, newest first.
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
        for sealed in
            std::iter::once(&webhook.secret).chain(previous.map(|previous| &previous.secret))
        {
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
