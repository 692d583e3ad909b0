//! The one HTTP client of the process: connections are shared, and certificates are read once, when a call first needs them. How long
//! a call may take, each partner says for itself; a caller's function has more time than that.

use reqwest::{Client, Response, redirect::Policy};
use std::{error::Error, sync::LazyLock, time::Duration};

/// How long a call may take of which nothing else is said.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer, in bytes: what is longer is not read to its end.
const MAX_BYTES: usize = 16 * 1024 * 1024;

static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).user_agent("jumun").build();
    client.map_err(|error| format!("there is no HTTP client: {error}"))
});

/// The client.
pub(crate) fn client() -> Result<&'static Client, Box<dyn Error + Send + Sync>> {
    CLIENT.as_ref().map_err(|error| error.as_str().into())
}

/// The body of an answer, unless it is too long.
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
