//! `GET /customers/{customerId}` shows a customer with their grade (고객 조회). An unknown customer has
//! the lowest grade.

use crate::{Customer, Resources};
use domain::{CustomerId, Failure, Role};
use edge::{Access, Function, Method, Request, Response, Route};

/// `GET /customers/{customerId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/customers/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Shows a customer with their grade (고객 조회)",
)
.response::<Customer>();

/// The `get-customer` handler.
pub fn function() -> Function {
    Function::http("get-customer", const { &[ROUTE.served()] }, handle)
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let profile = resources.store.until(request.deadline).customers().get(&customer).await?;
    Ok(Response::ok(&Customer::of(customer, profile, resources.grades)))
}
