//! The HMAC of tokens (HS256) by `ring`, which is compiled for TLS already.

use jsonwebtoken::{
    Algorithm,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    signature::{Error, Signer, Verifier},
};
use ring::hmac::{self, HMAC_SHA256, Key};

/// Every algorithm is taken for HS256. A token is decoded only if its header names the algorithm of
/// its `Validation`.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, key| Ok(Box::new(Hs256::new(key.as_bytes()))),
    verifier_factory: |_, key| Ok(Box::new(Hs256::new(key.try_get_as_bytes()?))),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Installs it for the process.
pub(crate) fn install() {
    // It fails if it is installed already.
    PROVIDER.install_default().ok();
}

struct Hs256(Key);

impl Hs256 {
    fn new(secret: &[u8]) -> Self {
        Self(Key::new(HMAC_SHA256, secret))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
