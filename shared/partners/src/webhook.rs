//! Signatures of outgoing messages (Standard Webhooks 1.0.0).

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The header with the message's id, which is the same for every attempt.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the attempt, in Unix seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// A secret shared with a receiver: 24 to 64 bytes.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The text is not a valid secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret must be whsec_ and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Parses `whsec_` and the base64 after it.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix("whsec_").ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidSecret) }
    }

    /// Returns the value of [`SIGNATURE_HEADER`] for one attempt: HMAC-SHA256 over
    /// `id.timestamp.body`.
    pub fn sign(
        &self,
        id: &str,
        attempted_at: Timestamp,
        body: &str,
    ) -> Result<String, InvalidSecret> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| InvalidSecret)?;
        mac.update(format!("{id}.{}.{body}", attempted_at.seconds()).as_bytes());
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector is from the specification's own test suite
    /// (`libraries/python/tests/test_webhooks.py`).
    #[test]
    fn a_signature_matches_the_official_vector() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = Timestamp::from_millis(1_614_265_330_000);
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_needs_the_prefix_and_24_to_64_bytes() {
        let of_length =
            |bytes: usize| Secret::parse(&format!("whsec_{}", STANDARD.encode(vec![7; bytes])));
        assert!(of_length(24).is_ok());
        assert!(of_length(64).is_ok());
        assert_eq!(of_length(23).err(), Some(InvalidSecret));
        assert_eq!(of_length(65).err(), Some(InvalidSecret));
        assert!(Secret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_err());
        assert!(Secret::parse("whsec_not base64").is_err());
        assert_eq!(format!("{:?}", of_length(24).unwrap()), "Secret(…)");
    }
}
