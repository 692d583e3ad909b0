//! The one HTTP client of the process: connections are shared, and certificates are read once, when a call first needs them.

use reqwest::{Client, redirect::Policy};
use std::{error::Error, sync::LazyLock, time::Duration};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(5);

static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).user_agent("jumun").build();
    client.map_err(|error| format!("there is no HTTP client: {error}"))
});

/// The client.
pub(crate) fn client() -> Result<&'static Client, Box<dyn Error + Send + Sync>> {
    CLIENT.as_ref().map_err(|error| error.as_str().into())
}
