//! The HTTP client of the process.
//!
//! Connections are shared. Certificates are read once, when the first call needs them. Each partner
//! sets its own timeout, which is shorter than the timeout of the calling function.

use reqwest::{Client, ClientBuilder, Response, redirect::Policy};
use rustls::crypto::ring;
use std::{error::Error, sync::LazyLock, time::Duration};

/// The default timeout of a call.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest response body, in bytes. Reading stops when a body exceeds it.
const MAX_BYTES: usize = 16 * 1024 * 1024;

static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    let client = builder(TIMEOUT).build();
    client.map_err(|error| format!("the HTTP client could not be created: {error}"))
});

/// A client that follows no redirect. Its TLS is that of the AWS clients.
pub(crate) fn builder(timeout: Duration) -> ClientBuilder {
    // It fails if the process has a provider already.
    ring::default_provider().install_default().ok();
    Client::builder().timeout(timeout).redirect(Policy::none()).user_agent("jumun")
}

/// The shared client. Fails if it could not be created.
pub(crate) fn client() -> Result<&'static Client, Box<dyn Error + Send + Sync>> {
    CLIENT.as_ref().map_err(|error| error.as_str().into())
}

/// Reads a response body. `None`: the body exceeds [`MAX_BYTES`].
pub(crate) async fn body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
