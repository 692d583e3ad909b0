//! KMS: `Encrypt` and `Decrypt` with symmetric keys. A ciphertext is bound to its key and its
//! encryption context.

use super::{AwsError, AwsResult, data::Journal};
use aws_smithy_types::base64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

/// The maximum size of a plaintext in bytes.
const MAX_BYTES: usize = 4_096;

/// The KMS keys of a platform. All of them use one AES key. Each ciphertext is bound to the ARN of
/// its KMS key, so another KMS key cannot decrypt it. A ciphertext blob starts with its nonce,
/// which is random.
pub(crate) struct Keys {
    key: LessSafeKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

fn invalid(code: &str) -> AwsError {
    AwsError::new(code, "")
}

impl Keys {
    /// Loads the AES key from the journal, or generates one. It survives a restart if there is a
    /// data file.
    pub(crate) fn new(journal: &Journal) -> Result<Self, AwsError> {
        let bytes = journal.key(|| rand::random::<[u8; 32]>().to_vec())?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes);
        Ok(Self { key: LessSafeKey::new(key.map_err(|_| invalid("InternalException"))?) })
    }

    /// Handles a call of the KMS API.
    pub(crate) fn respond(&self, operation: &str, request: &Value) -> AwsResult {
        let key = request["KeyId"].as_str().unwrap_or_default();
        let context: BTreeMap<&str, &str> = request["EncryptionContext"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        let bound_to = format!("{key} {context:?}");
        let bytes = |name: &str| {
            base64::decode(request[name].as_str().unwrap_or_default()).unwrap_or_default()
        };
        match operation {
            "Encrypt" => {
                let mut sealed = bytes("Plaintext");
                if !(1..=MAX_BYTES).contains(&sealed.len()) {
                    return Err(AwsError::new(
                        "ValidationException",
                        "A plaintext must have 1 to 4,096 bytes.",
                    ));
                }
                let nonce: [u8; NONCE_LEN] = rand::random();
                let unique = Nonce::assume_unique_for_key(nonce);
                self.key
                    .seal_in_place_append_tag(unique, Aad::from(bound_to), &mut sealed)
                    .map_err(|_| invalid("InternalException"))?;
                let blob = base64::encode([&nonce[..], &sealed].concat());
                Ok(
                    json!({ "CiphertextBlob": blob, "KeyId": key, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
                )
            }
            "Decrypt" => {
                let blob = bytes("CiphertextBlob");
                let (nonce, sealed) = blob
                    .split_at_checked(NONCE_LEN)
                    .ok_or_else(|| invalid("InvalidCiphertextException"))?;
                let nonce = Nonce::try_assume_unique_for_key(nonce)
                    .map_err(|_| invalid("InvalidCiphertextException"))?;
                let mut sealed = sealed.to_vec();
                let opened = self.key.open_in_place(nonce, Aad::from(bound_to), &mut sealed);
                let opened = opened.map_err(|_| invalid("InvalidCiphertextException"))?;
                let plaintext = base64::encode(opened);
                Ok(
                    json!({ "Plaintext": plaintext, "KeyId": key, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
                )
            }
            _ => Err(AwsError::unknown(operation)),
        }
    }
}
