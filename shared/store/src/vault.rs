//! Encryption of stored secrets by KMS. Each secret is encrypted for one purpose, and cannot be
//! decrypted for another.

use crate::retry;
use aws_sdk_kms::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    primitives::Blob,
};
use aws_smithy_types::base64;
use aws_types::SdkConfig;
use domain::{Fault, NotStarted, Open, Variables};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The timeout of one KMS call, including its retries.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The KMS key, and a cache of decrypted secrets: each execution environment decrypts a secret
/// once.
#[derive(Clone)]
pub struct Vault {
    client: Client,
    key: String,
    opened: Arc<Mutex<HashMap<(String, String), String>>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The purpose of a secret: the name and value of the KMS encryption context.
pub type Purpose<'a> = (&'static str, &'a str);

impl<E: Variables + AsRef<SdkConfig>> Open<E> for Vault {
    /// Reads the key's ARN from `SECRETS_KEY`.
    fn open(env: &E) -> Result<Self, NotStarted> {
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let config = aws_sdk_kms::config::Builder::from(env.as_ref());
        let config = config.retry_config(RetryConfig::standard()).timeout_config(timeouts).build();
        Ok(Self {
            client: Client::from_conf(config),
            key: env.require("SECRETS_KEY")?,
            opened: Arc::default(),
        })
    }
}

impl Vault {
    /// Encrypts a secret. Returns the ciphertext in base64.
    pub async fn seal(&self, (name, value): Purpose<'_>, secret: &str) -> Result<String, Fault> {
        let request = self.client.encrypt().key_id(&self.key).plaintext(Blob::new(secret));
        let response =
            request.encryption_context(name, value).send().await.map_err(retry::fault)?;
        let sealed =
            response.ciphertext_blob.ok_or_else(|| Fault::broken("KMS returned no ciphertext"))?;
        Ok(base64::encode(sealed))
    }

    /// Decrypts a secret that was encrypted for the same purpose.
    pub async fn unseal(&self, (name, value): Purpose<'_>, sealed: &str) -> Result<String, Fault> {
        let cache_key = (value.to_owned(), sealed.to_owned());
        if let Some(secret) =
            self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(&cache_key)
        {
            return Ok(secret.clone());
        }
        let blob = base64::decode(sealed).map_err(Fault::broken)?;
        let request = self.client.decrypt().key_id(&self.key).ciphertext_blob(Blob::new(blob));
        let response =
            request.encryption_context(name, value).send().await.map_err(retry::fault)?;
        let secret =
            response.plaintext.ok_or_else(|| Fault::broken("KMS returned no plaintext"))?;
        let secret = String::from_utf8(secret.into_inner())
            .map_err(|_| Fault::broken("a decrypted secret is not UTF-8"))?;
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(cache_key, secret.clone());
        Ok(secret)
    }
}
