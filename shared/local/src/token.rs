//! Issues tokens and verifies them, in place of an identity provider and API Gateway's JWT
//! authorizer.

use crate::hs256;
use domain::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{fmt, time::Duration};

/// The default lifetime of a token.
const LIFETIME: Duration = Duration::from_hours(1);

/// Issues and verifies tokens with a random key. Tokens are valid only in this process.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// The requested claims and lifetime of a token.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// The subject: the id of the caller.
    pub sub: String,
    /// The role of the caller: `customer`, `store`, `rider`, `partner` or `operator`.
    pub role: String,
    /// The store of a caller with the role `store`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// The scopes of a partner, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The lifetime in seconds. Default: one hour.
    #[serde(default, skip_serializing)]
    pub ttl_seconds: Option<u64>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        hs256::install();
        let key: [u8; 32] = rand::random();
        Self { encoding: EncodingKey::from_secret(&key), decoding: DecodingKey::from_secret(&key) }
    }

    /// Issues a signed token with these claims.
    pub(crate) fn issue(
        &self,
        request: &TokenRequest,
        now: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let lifetime = request.ttl_seconds.map_or(LIFETIME, Duration::from_secs);
        let mut claims = json!(request);
        claims["iss"] = "https://jumun.localhost".into();
        claims["aud"] = "jumun".into();
        claims["iat"] = now.seconds().into();
        claims["exp"] = now.plus(lifetime).seconds().into();
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }

    /// Returns the claims of a valid token, or `None`. All values are strings, as API Gateway
    /// passes them on.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Option<Map<String, Value>> {
        let mut validation = Validation::new(Algorithm::HS256);
        // Expiry is checked below, with the platform's clock instead of the machine's.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(tokens: &Tokens, now: Timestamp) -> String {
        let (sub, role) = ("c1".into(), "customer".into());
        let request = TokenRequest { sub, role, store_id: None, scope: None, ttl_seconds: None };
        tokens.issue(&request, now).unwrap()
    }

    #[test]
    fn a_token_is_valid_only_as_it_was_issued_and_only_here() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let (tokens, others) = (Tokens::new(), Tokens::new());
        let token = issued(&tokens, now);
        assert_eq!(tokens.verify(&token, now).unwrap()["sub"], "c1");
        assert_eq!(others.verify(&token, now), None);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(tokens.verify(&String::from_utf8(changed).unwrap(), now), None, "{at}");
        }
    }

    /// The example of RFC 7515, appendix A.1.
    #[test]
    fn signatures_are_hs256() {
        hs256::install();
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==";
        let key = EncodingKey::from_urlsafe_base64_secret(key).unwrap();
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        assert_eq!(signature.unwrap(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }
}
