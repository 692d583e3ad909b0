//! Routes: method, path, roles and documentation. One declaration serves the check of the role, the
//! API document and the tests.

use domain::{Caller, RefusalKind, Role, SourceId, scope::Permission};
use schemars::{JsonSchema, SchemaGenerator};
use std::fmt;

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are named as HTTP names them")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Any,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Any => "ANY",
        })
    }
}

/// Who may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a token.
    Public,
    /// Callers of these roles.
    Roles(&'static [Role]),
    /// Partners with one of these permissions, and operators.
    Permissions(&'static [Permission]),
}

impl Access {
    /// Whether this caller may call. `source` is the source in the path.
    pub fn admits(self, caller: &Caller, source: Option<&SourceId>) -> bool {
        match self {
            Self::Public => true,
            Self::Roles(roles) => caller.role().is_some_and(|role| roles.contains(&role)),
            Self::Permissions(permissions) => match caller {
                Caller::Operator(_) => true,
                Caller::Partner(_, scopes) => {
                    permissions.iter().any(|permission| scopes.permit(*permission, source))
                }
                Caller::Anyone | Caller::Customer(_) | Caller::Store(_) | Caller::Rider(_) => false,
            },
        }
    }
}

/// Makes the JSON schema of a type.
pub type Schema = fn(&mut SchemaGenerator) -> schemars::Schema;

/// A route of a function.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path as in the template: `/points/{customerId}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The query parameters with their meanings.
    pub query: &'static [(&'static str, &'static str)],
    /// Whether it supports `Idempotency-Key`.
    pub is_idempotent_by_key: bool,
    /// The schema of the request's body.
    pub request_body: Option<Schema>,
    /// The schema of the response's body.
    pub response: Option<Schema>,
    /// The statuses of success with their meanings.
    pub successes: &'static [(u16, &'static str)],
    /// The problems that it can respond with, besides those of every route.
    pub problems: &'static [RefusalKind],
}

impl Route {
    /// A route for callers of these roles.
    pub const fn new(
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            access,
            summary,
            query: &[],
            is_idempotent_by_key: false,
            request_body: None,
            response: None,
            successes: &[(200, "Done")],
            problems: &[],
        }
    }

    /// The query parameters.
    #[must_use]
    pub const fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    /// Supports `Idempotency-Key`.
    #[must_use]
    pub const fn idempotent_by_key(mut self) -> Self {
        self.is_idempotent_by_key = true;
        self
    }

    /// The type of the request's body.
    #[must_use]
    pub const fn request_body<T: JsonSchema>(mut self) -> Self {
        self.request_body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// The type of the response's body.
    #[must_use]
    pub const fn response<T: JsonSchema>(mut self) -> Self {
        self.response = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// The statuses of success, if not only 200.
    #[must_use]
    pub const fn successes(mut self, successes: &'static [(u16, &'static str)]) -> Self {
        self.successes = successes;
        self
    }

    /// The problems besides those of every route.
    #[must_use]
    pub const fn problems(mut self, problems: &'static [RefusalKind]) -> Self {
        self.problems = problems;
        self
    }

    /// The route as a function needs it: without documentation, so that only the binary with the
    /// API document contains the code of the schemas.
    #[must_use]
    pub const fn served(self) -> Self {
        Self { query: self.query, ..Self::new(self.method, self.path, self.access, "") }
    }

    /// Whether the route matches a path.
    pub fn fits(&self, path: &str) -> bool {
        let fits = |(expected, part): (&str, &str)| {
            if expected.starts_with('{') { !part.is_empty() } else { expected == part }
        };
        self.path.split('/').count() == path.split('/').count()
            && self.path.split('/').zip(path.split('/')).all(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fits_a_route_part_by_part() {
        let fits = |route, path| Route::new(Method::Get, route, Access::Public, "").fits(path);
        assert!(fits("/points/{customerId}", "/points/c1"));
        assert!(!fits("/points/{customerId}", "/points/"));
        assert!(!fits("/points/{customerId}", "/points/c1/history"));
        assert!(!fits("/order", "/orders"));
    }
}
