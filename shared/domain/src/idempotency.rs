//! `Idempotency-Key`: a caller's name for one operation, so that a retry of the request has no
//! second effect (draft-ietf-httpapi-idempotency-key-header).

use sha2::{Digest, Sha256};

/// The maximum length of a key, in characters.
pub const MAX_KEY_LENGTH: usize = 255;

/// A caller's name for one operation. It belongs to one customer (or resource) and one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The header is not a valid idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_LENGTH} visible ASCII characters, bare or in double quotes")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Accepts the header's value, quoted (as in the draft) or bare (as most clients send it).
    pub fn parse(header: &str) -> Result<Self, InvalidKey> {
        let header = header.trim();
        let key = header.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(header);
        let visible = key.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"');
        if visible && (1..=MAX_KEY_LENGTH).contains(&key.len()) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidKey)
        }
    }

    /// A 128-bit digest of this key within `scope`, the customer or resource that the key belongs
    /// to.
    pub fn digest(&self, scope: &str) -> [u8; 16] {
        let hash =
            Sha256::new().chain_update(scope).chain_update([0]).chain_update(&self.0).finalize();
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash[..16]);
        digest
    }

    /// The digest as text, for a database key.
    pub fn hash(&self, scope: &str) -> String {
        ulid::Ulid::from_bytes(self.digest(scope)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_equals_the_bare_key() {
        assert_eq!(IdempotencyKey::parse("\"k-1\""), IdempotencyKey::parse(" k-1 "));
    }

    #[test]
    fn a_key_has_visible_characters_and_a_maximum_length() {
        let longest = "k".repeat(MAX_KEY_LENGTH);
        assert!(IdempotencyKey::parse(&longest).is_ok());
        assert!(IdempotencyKey::parse(&format!("\"{longest}\"")).is_ok());
        for bad in ["", "  ", "\"\"", "\"", "a\"b", "a\u{7f}", "a\tb", "키", &format!("{longest}k")]
        {
            assert_eq!(IdempotencyKey::parse(bad), Err(InvalidKey), "{bad:?}");
        }
    }
}
