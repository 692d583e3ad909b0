//! The route `$default`: what no other route answers. A known path has other methods; an unknown one has nothing.

use crate::ROUTES;
use domain::{Failure, Refusal};
use edge::{Access, Function, Method, Request, Response, Route};

/// The route.
pub const ROUTE: Route = Route::new(Method::Any, "$default", Access::Public, "Whatever no other route answers");

/// The function.
pub fn function() -> Function {
    Function::http("no-such-route", &[ROUTE], handle)
}

async fn handle((): (), request: Request) -> Result<Response, Failure> {
    let (_, path) = request.method_and_path();
    let mut methods: Vec<Method> = ROUTES.iter().filter(|route| route.fits(path)).map(|route| route.method).collect();
    methods.sort_unstable();
    methods.dedup();
    if methods.is_empty() {
        return Err(Refusal::NotFound.into());
    }
    let methods: Vec<String> = methods.iter().map(Method::to_string).collect();
    Err(Refusal::MethodNotAllowed { allowed: methods.join(", ") }.into())
}
