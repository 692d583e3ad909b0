//! Secrets as they are stored: sealed by KMS, for one purpose each. What is sealed for one cannot be opened for another.

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

/// How long one call may take, its retries included.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The key, and what was opened with it: each environment opens a secret once.
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

/// What a secret is for: a name and a value, the encryption context.
pub type Purpose<'a> = (&'static str, &'a str);

impl<E: Variables + AsRef<SdkConfig>> Open<E> for Vault {
    /// Opens the vault whose key has the ARN `SECRETS_KEY`.
    fn open(env: &E) -> Result<Self, NotStarted> {
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let config = aws_sdk_kms::config::Builder::from(env.as_ref());
        let config = config.retry_config(RetryConfig::standard()).timeout_config(timeouts).build();
        Ok(Self { client: Client::from_conf(config), key: env.require("SECRETS_KEY")?, opened: Arc::default() })
    }
}

impl Vault {
    /// Seals a secret.
    pub async fn seal(&self, (name, value): Purpose<'_>, secret: &str) -> Result<String, Fault> {
        let request = self.client.encrypt().key_id(&self.key).plaintext(Blob::new(secret));
        let answer = request.encryption_context(name, value).send().await.map_err(Fault::busy)?;
        let sealed = answer.ciphertext_blob.ok_or_else(|| Fault::broken("KMS sealed nothing"))?;
        Ok(base64::encode(sealed))
    }

    /// Opens a secret that was sealed for this purpose.
    pub async fn unseal(&self, (name, value): Purpose<'_>, sealed: &str) -> Result<String, Fault> {
        let place = (value.to_owned(), sealed.to_owned());
        if let Some(secret) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(secret.clone());
        }
        let blob = base64::decode(sealed).map_err(Fault::broken)?;
        let request = self.client.decrypt().key_id(&self.key).ciphertext_blob(Blob::new(blob));
        let answer = request.encryption_context(name, value).send().await.map_err(Fault::busy)?;
        let secret = answer.plaintext.ok_or_else(|| Fault::broken("KMS opened nothing"))?;
        let secret = String::from_utf8(secret.into_inner()).map_err(|_| Fault::broken("a secret is not text"))?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(place, secret.clone());
        Ok(secret)
    }
}
