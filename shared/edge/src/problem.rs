//! Problems: how a refusal is told (RFC 9457).

use domain::Fault;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{error::Error, time::Duration};

/// An error that can be told to a caller.
pub trait Problem: Error + Send + Sync {
    /// How it is told; the error's own text is the `detail`.
    fn details(&self) -> Details;
}

/// What a problem is made of besides its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    pub(crate) status: u16,
    pub(crate) slug: &'static str,
    pub(crate) extensions: Map<String, Value>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) is_fault: bool,
}

impl Details {
    /// A refusal with this status and type `/problems/<slug>`.
    pub fn new(status: u16, slug: &'static str) -> Self {
        Self { status, slug, extensions: Map::new(), headers: Vec::new(), is_fault: false }
    }

    /// Adds a member that tells more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.extensions.insert(name.to_owned(), json!(value));
        self
    }

    /// Says after how long to come back.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header("retry-after", wait.as_millis().div_ceil(1000).max(1))
    }

    #[must_use]
    fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The problem as its JSON object. A fault tells nothing of its insides.
    pub(crate) fn body(&self, detail: &str, request_id: &str) -> Value {
        let detail =
            if self.is_fault { "Something went wrong on our side; nothing is wrong with the request." } else { detail };
        let mut body = Map::new();
        body.insert("type".into(), format!("/problems/{}", self.slug).into());
        body.insert("title".into(), title(self.slug).into());
        body.insert("status".into(), self.status.into());
        body.insert("detail".into(), detail.into());
        body.insert("instance".into(), request_id.into());
        body.extend(self.extensions.clone());
        body.into()
    }
}

/// `out-of-stock` becomes `Out of stock`.
fn title(slug: &str) -> String {
    let words = slug.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A field that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where: `items[0].quantity`, or the name of a parameter or header.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// What any route may refuse before its own rules are asked.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// The request cannot be understood.
    #[error("The request is malformed: {}", .0.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
    Malformed(Vec<FieldError>),
    /// The caller may not do this.
    #[error("This is not for you.")]
    Forbidden,
    /// There is nothing here, or nothing that the caller may know of.
    #[error("There is nothing here.")]
    NotFound,
    /// The path exists, but not with this method.
    #[error("This path knows only {0}.")]
    MethodNotAllowed(String),
    /// The body is longer than allowed.
    #[error("A body has at most {} bytes.", crate::MAX_BODY_BYTES)]
    BodyTooLarge,
    /// The body is not JSON.
    #[error("A body is application/json.")]
    UnsupportedMediaType,
}

impl Rejected {
    /// One field is not what it must be.
    pub fn field(field: impl Into<String>, message: impl ToString) -> Self {
        Self::Malformed(vec![FieldError { field: field.into(), message: message.to_string() }])
    }
}

impl Problem for Rejected {
    fn details(&self) -> Details {
        match self {
            Self::Malformed(errors) => Details::new(400, "malformed-request").with("errors", errors),
            Self::Forbidden => Details::new(403, "forbidden"),
            Self::NotFound => Details::new(404, "not-found"),
            Self::MethodNotAllowed(allowed) => Details::new(405, "method-not-allowed").header("allow", allowed),
            Self::BodyTooLarge => Details::new(413, "body-too-large"),
            Self::UnsupportedMediaType => Details::new(415, "unsupported-media-type"),
        }
    }
}

/// Why a function that has no refusals of its own does not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for Unanswered {
    fn details(&self) -> Details {
        match self {
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

impl Problem for Fault {
    fn details(&self) -> Details {
        match self {
            Self::Busy(_) => Details { is_fault: true, ..Details::new(503, "busy").header("retry-after", 1) },
            Self::Broken(_) => Details { is_fault: true, ..Details::new(500, "internal-error") },
        }
    }
}

/// An error's text with those that caused it.
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

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_its_own() {
        let details = Details::new(409, "out-of-stock").with("available", 3);
        let expected = json!({
            "type": "/problems/out-of-stock", "title": "Out of stock", "status": 409,
            "detail": "Too few.", "instance": "req-1", "available": 3,
        });
        assert_eq!(details.body("Too few.", "req-1"), expected);
    }

    #[test]
    fn a_fault_tells_nothing_of_its_insides() {
        let fault = Fault::broken("the secret table is gone");
        let body = fault.details().body(&fault.to_string(), "req-1").to_string();
        assert!(!body.contains("secret"), "{body}");
        assert!(chain(&fault).contains("secret"));
    }
}
