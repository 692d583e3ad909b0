//! The data platform (데이터 플랫폼): receives every paid order, one per request.

use crate::{
    http,
    webhook::{self, Secret},
};
use domain::Timestamp;
use reqwest::{StatusCode, Url, header::CONTENT_TYPE};
use std::error::Error;

/// A client of the data platform's order statistics.
#[derive(Debug, Clone)]
pub struct DataPlatform {
    url: Url,
    secret: Secret,
}

/// Why an event was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The data platform will never accept the event: any 4xx except 408 and 429.
    #[error("the data platform refused the event with {0}")]
    Refused(u16),
    /// The data platform may accept the event later.
    #[error("the data platform responded with {0}")]
    NotNow(u16),
    /// The data platform could not be reached, or did not respond in time.
    #[error("the data platform could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

impl DataPlatform {
    /// Creates a client for this base URL. `secret` signs the events.
    pub fn new(base_url: &str, secret: Secret) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let url = Url::parse(&format!("{}/order/statistics", base_url.trim_end_matches('/')))?;
        Ok(Self { url, secret })
    }

    /// Sends one event, unchanged, under its id.
    pub async fn deliver(
        &self,
        id: &str,
        event: &str,
        attempted_at: Timestamp,
    ) -> Result<(), DeliveryError> {
        let unreachable = |error: Box<dyn Error + Send + Sync>| DeliveryError::Unreachable(error);
        let signature =
            self.secret.sign(id, attempted_at, event).map_err(|error| unreachable(error.into()))?;
        let request = http::client()
            .map_err(unreachable)?
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header(webhook::ID_HEADER, id)
            .header(webhook::TIMESTAMP_HEADER, attempted_at.seconds().to_string())
            .header(webhook::SIGNATURE_HEADER, signature)
            .body(event.to_owned());
        let status =
            request.send().await.map_err(|error| unreachable(error.without_url().into()))?.status();
        let may_pass =
            [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        if status.is_success() {
            Ok(())
        } else if status.is_client_error() && !may_pass {
            Err(DeliveryError::Refused(status.as_u16()))
        } else {
            Err(DeliveryError::NotNow(status.as_u16()))
        }
    }
}
