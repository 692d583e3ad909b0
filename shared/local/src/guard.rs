//! Guards the local ports against web pages of other sites.
//!
//! Only programs on this machine and pages served by the port itself may send requests. Without
//! this check, any page that a browser on this machine visits could control the platform. The
//! `Host` check also stops a page whose host name resolves to this machine (DNS rebinding).

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::IpAddr;

/// Returns why a request is refused, or `None` if it is allowed. Its `Host` must be a loopback
/// address, and its `Origin`, if present, must be this port itself.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(host) = text(header::HOST).filter(|host| is_loopback(host)) else {
        return Some("The Host header must be a loopback address.");
    };
    let is_own = |origin: &str| origin.strip_prefix("http://") == Some(host);
    (!text(header::ORIGIN).is_none_or(is_own))
        .then_some("The Origin header must be this host and port.")
}

fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name =
        host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Middleware that responds with 403 to a refused request.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, axum::Json(serde_json::json!({ "message": why })))
            .into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_hosts_and_the_ports_own_pages_are_allowed() {
        let refused = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            refusal(&headers).is_some()
        };
        for host in ["127.0.0.1:3000", "localhost:3000", "localhost", "[::1]:3000", "127.0.0.2"] {
            assert!(!refused(host, None), "{host}");
            assert!(!refused(host, Some(&format!("http://{host}"))), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "127.0.0.1.nip.io",
        ] {
            assert!(refused(host, None), "{host}");
        }
        for origin in
            ["null", "https://evil.example", "http://localhost:5173", "http://127.0.0.1:3000"]
        {
            assert!(refused("localhost:3000", Some(origin)), "{origin}");
        }
        assert!(refusal(&HeaderMap::new()).is_some());
    }
}
