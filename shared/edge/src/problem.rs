//! Problems: how a failure is written (RFC 9457).

use domain::{Failure, Fault, Refusal, RefusalKind};
use lambda_http::http::{
    HeaderName, StatusCode,
    header::{ALLOW, RETRY_AFTER},
};
use serde_json::{Map, Value};
use std::{error::Error, time::Duration};

/// A problem as it is sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) slug: &'static str,
    pub(crate) body: Value,
    pub(crate) headers: Vec<(HeaderName, String)>,
}

/// The pause that a busy service requests.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

impl Problem {
    /// The problem that a failure is for a caller. A fault discloses nothing but whether a retry
    /// may help.
    pub(crate) fn of(failure: &Failure, request_id: &str) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::of_refusal(refusal, request_id),
            Failure::Fault(Fault::Busy(_)) => {
                Self::of_refusal(&Refusal::Busy { retry_after: BUSY_PAUSE }, request_id)
            }
            Failure::Fault(Fault::Broken(_)) => {
                Self::of_refusal(&Refusal::InternalError, request_id)
            }
        }
    }

    fn of_refusal(refusal: &Refusal, request_id: &str) -> Self {
        let (kind, detail) = (refusal.kind(), refusal.to_string());
        let extensions = match serde_json::to_value(refusal) {
            Ok(Value::Object(extensions)) => extensions,
            // A refusal without fields has none.
            Ok(_) => Map::new(),
            Err(error) => {
                tracing::error!(slug = kind.slug(), %error, "the fields of a refusal cannot be written");
                Map::new()
            }
        };
        let headers = if let Refusal::Busy { retry_after } = refusal {
            vec![(RETRY_AFTER, seconds(*retry_after))]
        } else if let Refusal::MethodNotAllowed { allowed } = refusal {
            vec![(ALLOW, allowed.clone())]
        } else {
            Vec::new()
        };
        Self {
            // The table of problems has no other number than a status.
            status: StatusCode::from_u16(kind.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            slug: kind.slug(),
            body: body(kind, &detail, request_id, extensions),
            headers,
        }
    }
}

fn body(
    kind: RefusalKind,
    detail: &str,
    request_id: &str,
    extensions: Map<String, Value>,
) -> Value {
    let mut body = Map::new();
    body.insert("type".into(), format!("/problems/{}", kind.slug()).into());
    body.insert("title".into(), title(kind.slug()).into());
    body.insert("status".into(), kind.status().into());
    body.insert("detail".into(), detail.into());
    body.insert("instance".into(), request_id.into());
    body.extend(extensions);
    body.into()
}

/// `out-of-stock` becomes `Out of stock`.
fn title(slug: &str) -> String {
    let words = slug.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A pause as `Retry-After` has it: whole seconds, at least one.
pub(crate) fn seconds(pause: Duration) -> String {
    pause.as_millis().div_ceil(1000).max(1).to_string()
}

/// An error's text with those of its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ProductId;
    use serde_json::json;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_the_fields_of_its_refusal() {
        let product_id = ProductId::parse("pen").unwrap();
        let refusal = Refusal::OutOfStock { product_id, requested: 5, available: 3 };
        let expected = json!({
            "type": "/problems/out-of-stock", "title": "Out of stock", "status": 409,
            "detail": "Product pen has 3 units left; 5 were requested.", "instance": "req-1",
            "productId": "pen", "requested": 5, "available": 3,
        });
        assert_eq!(Problem::of(&refusal.into(), "req-1").body, expected);
    }

    #[test]
    fn a_refusal_without_fields_has_the_members_of_rfc_9457_alone() {
        let problem = Problem::of(&Refusal::Forbidden.into(), "req-1");
        let members: Vec<&String> = problem.body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["type", "title", "status", "detail", "instance"]);
    }

    #[test]
    fn a_fault_discloses_nothing() {
        let fault = Fault::broken("the secret table is gone");
        assert!(chain(&fault).contains("secret"));
        let problem = Problem::of(&fault.into(), "req-1");
        assert_eq!(
            (problem.status, problem.slug),
            (StatusCode::INTERNAL_SERVER_ERROR, "internal-error")
        );
        assert!(!problem.body.to_string().contains("secret"), "{}", problem.body);
    }

    #[test]
    fn a_busy_service_says_when_to_try_again() {
        let problem = Problem::of(&Fault::busy("throttled").into(), "req-1");
        assert_eq!(
            (problem.status, problem.headers),
            (StatusCode::SERVICE_UNAVAILABLE, vec![(RETRY_AFTER, "1".to_owned())])
        );
    }
}
