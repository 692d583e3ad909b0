//! Receivers of webhooks. Operators name their URLs, so a receiver is not trusted.
//!
//! Receivers are reached by https only and on public addresses only, so that no URL can lead into
//! our own network. The addresses behind a host name are checked when the connection is made.

use crate::{
    http,
    webhook::{self, Secret},
};
use domain::Timestamp;
use futures::future::BoxFuture;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::{
    Client, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// The timeout of one attempt.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest URL, in characters.
const MAX_URL: usize = 2_000;

/// The rules for the URL of a receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Whether addresses of this machine are allowed, also without TLS. The stubs of the local
    /// platform are there.
    pub allows_loopback: bool,
}

/// Why a URL is not allowed for a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeUrl {
    /// The text is not a URL, or it is too long.
    #[error("must be a URL of at most {MAX_URL} characters")]
    Malformed,
    /// The scheme is not https.
    #[error("must be https")]
    NotHttps,
    /// The URL contains a user or a password.
    #[error("must not have a user or password")]
    HasUser,
    /// The host is a private, loopback or link-local address, or a name that leads to one.
    #[error("must lead to a public address")]
    NotPublic,
}

impl Reach {
    /// Whether a URL is on this machine, and such URLs are allowed.
    fn is_allowed_loopback(self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        self.allows_loopback && is_loopback && ["http", "https"].contains(&url.scheme())
    }

    /// Parses a URL and refuses one that is unsafe. The addresses behind its host name are checked
    /// later, when the connection is made.
    pub fn check(self, url: &str) -> Result<Url, UnsafeUrl> {
        let parsed = Url::parse(url).map_err(|_| UnsafeUrl::Malformed)?;
        if url.len() > MAX_URL {
            return Err(UnsafeUrl::Malformed);
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(UnsafeUrl::HasUser);
        }
        if self.is_allowed_loopback(&parsed) {
            return Ok(parsed);
        }
        if parsed.scheme() != "https" {
            return Err(UnsafeUrl::NotHttps);
        }
        let host = parsed.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> =
            host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let is_public = if let Some(address) = address {
            is_public(address)
        } else {
            // A name without a dot, or in a zone that is not public, resolves in our own network.
            let own = ["localhost", "local", "internal", "lan", "home", "arpa"];
            host.rsplit_once('.').is_some_and(|(_, zone)| !own.contains(&zone))
        };
        if is_public { Ok(parsed) } else { Err(UnsafeUrl::NotPublic) }
    }
}

/// Whether an address belongs to the public Internet (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // An IPv6 address that contains an IPv4 address leads where the IPv4 address leads.
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        // Everything else that is not global unicast, and of global unicast the ranges for
        // documentation, Teredo and benchmarks.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// Resolves a host name.
type Lookup = fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;

fn resolve_name(name: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })
}

/// A DNS resolver that returns only public addresses.
struct PublicOnly(Lookup);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.0)(name.as_str().to_owned());
        Box::pin(async move {
            let public: Vec<SocketAddr> =
                found.await?.into_iter().filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(UnsafeUrl::NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Creates a client that connects only to public addresses.
fn public_client(timeout: Duration, lookup: Lookup) -> reqwest::Result<Client> {
    http::builder(timeout).no_proxy().dns_resolver(Arc::new(PublicOnly(lookup))).build()
}

/// Creates a client for a URL that an operator named and that [`Reach::check`] accepted.
pub(crate) fn client_within(
    reach: Reach,
    url: &Url,
    timeout: Duration,
) -> Result<Client, Box<dyn Error + Send + Sync>> {
    if reach.is_allowed_loopback(url) {
        http::client().cloned()
    } else {
        Ok(public_client(timeout, resolve_name)?)
    }
}

/// Sends messages to receivers.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    reach: Reach,
}

/// A message to a receiver.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The receiver's URL.
    pub url: &'a str,
    /// The event's id, which is the same for every attempt.
    pub id: &'a str,
    /// The body, which is sent unchanged.
    pub body: &'a str,
    /// The secrets that sign the message: one, or several during a rotation.
    pub secrets: &'a [Secret],
    /// Whether the URL may lead to any address. Only for URLs from the deployment's configuration.
    pub may_lead_anywhere: bool,
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The receiver responded with a status other than 2xx.
    #[error("the receiver responded with {status}")]
    Status {
        /// The HTTP status code.
        status: u16,
        /// The wait that the receiver requests with `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The URL is not allowed for a receiver.
    #[error("the URL {0}")]
    Unsafe(#[from] UnsafeUrl),
    /// The receiver could not be reached, or did not respond in time.
    #[error("the receiver could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

impl DeliveryError {
    /// Whether the receiver unsubscribes (`410 Gone`).
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status: 410, .. })
    }
}

impl Sender {
    /// Creates a sender for URLs that `reach` allows.
    pub fn new(reach: Reach) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::with_lookup(reach, resolve_name)
    }

    fn with_lookup(reach: Reach, lookup: Lookup) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self { client: public_client(TIMEOUT, lookup)?, reach })
    }

    /// Sends a message, signed for this attempt. Returns the status of a delivered message: 200 to
    /// 299.
    pub async fn send(
        &self,
        message: &Outgoing<'_>,
        attempted_at: Timestamp,
    ) -> Result<u16, DeliveryError> {
        let (client, url) = if message.may_lead_anywhere {
            let client = http::client().map_err(DeliveryError::Unreachable)?;
            (client, Url::parse(message.url).map_err(|_| UnsafeUrl::Malformed)?)
        } else {
            let url = self.reach.check(message.url)?;
            let is_loopback = self.reach.is_allowed_loopback(&url);
            (
                if is_loopback {
                    http::client().map_err(DeliveryError::Unreachable)?
                } else {
                    &self.client
                },
                url,
            )
        };
        let sign = |secret: &Secret| secret.sign(message.id, attempted_at, message.body);
        let signatures: Vec<String> = message
            .secrets
            .iter()
            .map(sign)
            .collect::<Result<_, _>>()
            .map_err(|error| DeliveryError::Unreachable(error.into()))?;
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header(webhook::ID_HEADER, message.id)
            .header(webhook::TIMESTAMP_HEADER, attempted_at.seconds().to_string())
            .header(webhook::SIGNATURE_HEADER, signatures.join(" "))
            .body(message.body.to_owned());
        let response = request
            .send()
            .await
            .map_err(|error| DeliveryError::Unreachable(error.without_url().into()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(status.as_u16());
        }
        let may_delay = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        let header = response.headers().get(RETRY_AFTER).filter(|_| may_delay.contains(&status));
        let retry_after =
            header.and_then(|value| retry_after(value.to_str().ok()?.trim(), attempted_at));
        Err(DeliveryError::Status { status: status.as_u16(), retry_after })
    }
}

/// The wait that a `Retry-After` requests: seconds, or until a date (RFC 9110, section 10.2.3).
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(now.until(Timestamp::from_millis(until.as_millisecond())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_urls_on_public_addresses_are_accepted() {
        let reach = Reach::default();
        for good in
            ["https://example.com/hook", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/x?y=z"]
        {
            assert!(reach.check(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("nonsense", UnsafeUrl::Malformed),
            ("http://example.com", UnsafeUrl::NotHttps),
            ("ftp://example.com", UnsafeUrl::NotHttps),
            ("https://user@example.com", UnsafeUrl::HasUser),
            ("https://localhost", UnsafeUrl::NotPublic),
            ("https://db.internal", UnsafeUrl::NotPublic),
            ("https://printer.local.", UnsafeUrl::NotPublic),
            ("https://router", UnsafeUrl::NotPublic),
            ("https://127.0.0.1", UnsafeUrl::NotPublic),
            ("https://2130706433", UnsafeUrl::NotPublic),
            ("https://0x7f.1", UnsafeUrl::NotPublic),
            ("https://10.1.2.3", UnsafeUrl::NotPublic),
            ("https://172.16.0.1", UnsafeUrl::NotPublic),
            ("https://192.168.1.1", UnsafeUrl::NotPublic),
            ("https://169.254.169.254/latest/meta-data", UnsafeUrl::NotPublic),
            ("https://100.64.0.1", UnsafeUrl::NotPublic),
            ("https://0.0.0.0", UnsafeUrl::NotPublic),
            ("https://255.255.255.255", UnsafeUrl::NotPublic),
            ("https://[::1]", UnsafeUrl::NotPublic),
            ("https://[::]", UnsafeUrl::NotPublic),
            ("https://[fe80::1]", UnsafeUrl::NotPublic),
            ("https://[fd00::1]", UnsafeUrl::NotPublic),
            ("https://[::ffff:10.0.0.1]", UnsafeUrl::NotPublic),
            ("https://[64:ff9b::a00:1]", UnsafeUrl::NotPublic),
            ("https://[2002:a00:1::]", UnsafeUrl::NotPublic),
            ("https://[2001:db8::1]", UnsafeUrl::NotPublic),
            ("https://[ff02::1]", UnsafeUrl::NotPublic),
        ] {
            assert_eq!(reach.check(bad).err(), Some(why), "{bad}");
        }
        assert_eq!(
            reach.check(&format!("https://example.com/{}", "x".repeat(2_000))).err(),
            Some(UnsafeUrl::Malformed)
        );
    }

    #[tokio::test]
    async fn a_name_with_private_addresses_is_not_connected_to() {
        let internal = |_| -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
            Box::pin(async { Ok(vec![([127, 0, 0, 1], 0).into(), ([10, 0, 0, 1], 0).into()]) })
        };
        let sender = Sender::with_lookup(Reach::default(), internal).expect("a sender");
        let message = Outgoing {
            url: "https://example.com/hook",
            id: "1",
            body: "{}",
            secrets: &[],
            may_lead_anywhere: false,
        };
        let sent = sender.send(&message, Timestamp::from_millis(0)).await;
        let Err(DeliveryError::Unreachable(why)) = sent else { panic!("{sent:?}") };
        let mut causes =
            std::iter::successors(Some(&*why as &dyn Error), |error| (*error).source());
        assert!(causes.any(|cause| cause.downcast_ref() == Some(&UnsafeUrl::NotPublic)), "{why:?}");
        let public = PublicOnly(resolve_name).resolve("8.8.8.8".parse().expect("a name")).await;
        assert_eq!(
            public.map(|mut found| found.next().map(|found| found.ip())).ok().flatten(),
            "8.8.8.8".parse().ok()
        );
    }

    #[test]
    fn retry_after_is_in_seconds_or_a_date() {
        let now = Timestamp::from_millis(784_111_700_000);
        for (value, expected) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn only_the_local_platform_may_reach_this_machine() {
        let local = Reach { allows_loopback: true };
        for url in [
            "http://127.0.0.1:4000/hook",
            "https://localhost:9",
            "http://[::1]:1",
            "http://127.9.9.9",
        ] {
            assert!(local.check(url).is_ok(), "{url}");
            assert!(Reach::default().check(url).is_err(), "{url}");
        }
        for bad in [
            "http://127.0.0.1.nip.io:4000",
            "ftp://127.0.0.1",
            "http://10.0.0.1",
            "http://example.com",
        ] {
            assert!(local.check(bad).is_err(), "{bad}");
        }
    }
}
