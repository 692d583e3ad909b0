//! `PUT /customers/{customerId}` sets the contact data of a customer (고객 등록·수정).

use crate::{Customer, Resources};
use domain::{CustomerId, Failure, Refusal, Role, phone::MobileNumber};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    customers::{Contact, Preferences},
    optimistic::{
        Attempted::{Conflict, Done},
        SELDOM_CHANGED, optimistically,
    },
};

const MAX_NAME: usize = 100;

/// `PUT /customers/{customerId}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/customers/{customerId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Sets the contact data of a customer (고객 등록·수정)",
)
.request_body::<PutCustomer>()
.response::<Customer>();

/// The `put-customer` handler.
pub fn function() -> Function {
    Function::http("put-customer", const { &[ROUTE.served()] }, handle)
}

/// The contact data of a customer.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutCustomer {
    /// The customer's name, 1 to 100 characters.
    name: String,
    /// The customer's Korean mobile number. A number that a customer sets must be verified by a
    /// code before anything else is sent to it.
    phone: Option<MobileNumber>,
    /// The channels of order notifications; both if omitted.
    #[serde(default)]
    notify: Preferences,
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let PutCustomer { name, phone, notify } = request.json()?;
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(Refusal::field("name", format!("must be 1 to {MAX_NAME} characters")).into());
    }
    let store = resources.store.until(request.deadline);
    optimistically(SELDOM_CHANGED, || async {
        let seen = store.customers().get(&customer).await?.contact;
        // Numbers are compared as they are dialled, regardless of their formatting.
        let dialled = phone.as_ref().map(MobileNumber::dialled);
        let verified = seen.as_ref().and_then(Contact::verified_phone).map(MobileNumber::dialled);
        let was_verified = verified.is_some() && verified == dialled;
        let contact = Contact {
            name: name.clone(),
            phone_verified: phone.is_some() && (was_verified || request.caller.is_operator()),
            phone: phone.clone(),
            notify,
        };
        if store.customers().put_contact(&customer, &contact, seen.as_ref()).await? {
            let profile = store.customers().get(&customer).await?;
            return Ok(Done(Response::ok(&Customer::of(
                customer.clone(),
                profile,
                resources.grades,
            ))));
        }
        Ok(Conflict(()))
    })
    .await
}
