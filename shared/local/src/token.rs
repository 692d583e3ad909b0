//! The part of API Gateway's JWT authorizer, and of whoever issues tokens.

use domain::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{fmt, time::Duration};

/// How long a token lives if nobody says otherwise.
const LIFETIME: Duration = Duration::from_hours(1);

/// Issues and verifies tokens, with a key of this process.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// What a token says.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    /// Whom it stands for.
    pub sub: String,
    /// What they may do.
    pub role: String,
    /// At which store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// How long it lives, in seconds; an hour if left out.
    #[serde(default, skip_serializing)]
    pub ttl_seconds: Option<u64>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        let key: [u8; 32] = rand::random();
        Self { encoding: EncodingKey::from_secret(&key), decoding: DecodingKey::from_secret(&key) }
    }

    /// A token that says this.
    pub(crate) fn issue(&self, request: &TokenRequest, now: Timestamp) -> Result<String, jsonwebtoken::errors::Error> {
        let lifetime = request.ttl_seconds.map_or(LIFETIME, Duration::from_secs);
        let mut claims = json!(request);
        claims["iss"] = "https://jumun.localhost".into();
        claims["aud"] = "jumun".into();
        claims["iat"] = now.seconds().into();
        claims["exp"] = now.plus(lifetime).seconds().into();
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }

    /// The claims of a good token, all as text, as API Gateway hands them on.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Option<Map<String, Value>> {
        let mut validation = Validation::new(Algorithm::HS256);
        // The platform's clock decides, not this machine's.
        validation.validate_exp = false;
        validation.set_audience(&["jumun"]);
        let claims: Map<String, Value> = decode(token, &self.decoding, &validation).ok()?.claims;
        if claims.get("exp")?.as_i64()? <= now.seconds() {
            return None;
        }
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(claims.into_iter().map(|(name, value)| (name, text(value).into())).collect())
    }
}
