//! The route `$default`: requests that match no other route. On a known path the method is not
//! allowed; an unknown path is not found.

use crate::ROUTES;
use domain::{Failure, Refusal};
use edge::{Access, Function, Method, Request, Response, Route};

/// The route `$default`.
pub const ROUTE: Route = Route::new(
    Method::Any,
    "$default",
    Access::Public,
    "Handles requests that match no other route",
);

/// The `no-such-route` handler.
pub fn function() -> Function {
    Function::http("no-such-route", const { &[ROUTE.served()] }, handle)
}

async fn handle((): (), request: Request) -> Result<Response, Failure> {
    let (_, path) = request.method_and_path();
    let mut methods: Vec<Method> =
        ROUTES.iter().filter(|route| route.fits(path)).map(|route| route.method).collect();
    methods.sort_unstable();
    methods.dedup();
    if methods.is_empty() {
        return Err(Refusal::NotFound.into());
    }
    let methods: Vec<String> = methods.iter().map(Method::to_string).collect();
    Err(Refusal::MethodNotAllowed { allowed: methods.join(", ") }.into())
}
