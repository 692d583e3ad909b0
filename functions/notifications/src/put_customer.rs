//! `PUT /customers/{customerId}` says how a customer is reached (고객 등록·수정).

use crate::Customer;
use domain::{CustomerId, phone::PhoneNumber};
use edge::{Access, Answer, Function, Method, Rejected, Request, Role, Route, Unanswered};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store,
    profiles::{Contact, Preferences},
};

const MAX_NAME: usize = 100;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/customers/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Says how a customer is reached (고객 등록·수정)",
)
.takes::<PutCustomer>()
.answers::<Customer>();

/// The function.
pub fn function() -> Function {
    Function::http("put-customer", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// How a customer is reached.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutCustomer {
    /// Their name, 1 to 100 characters.
    name: String,
    /// Their phone number.
    phone: PhoneNumber,
    /// By which channels they want to be told of their orders; by both if left out.
    #[serde(default)]
    notify: Preferences,
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let PutCustomer { name, phone, notify } = request.json()?;
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(Rejected::field("name", format!("must be 1 to {MAX_NAME} characters")).into());
    }
    let store = store.until(request.deadline);
    store.put_contact(&customer, &Contact { name, phone, notify }).await?;
    Ok(Answer::ok(&Customer::of(customer.clone(), store.customer_profile(&customer).await?)))
}
