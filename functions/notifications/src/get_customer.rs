//! `GET /customers/{customerId}` shows a customer, with their grade (고객 조회). One never seen has the first grade.

use crate::Customer;
use domain::CustomerId;
use edge::{Access, Answer, Function, Method, Request, Role, Route, Unanswered};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/customers/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Shows a customer, with their grade (고객 조회)",
)
.answers::<Customer>();

/// The function.
pub fn function() -> Function {
    Function::http("get-customer", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let profile = store.until(request.deadline).customer_profile(&customer).await?;
    Ok(Answer::ok(&Customer::of(customer, profile)))
}
