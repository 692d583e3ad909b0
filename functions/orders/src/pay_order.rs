//! `POST /orders/{orderId}/pay` pays an order whose stock is reserved (결제): with points, or by
//! another attempt to charge a card.

use domain::{Failure, NotStarted, Open, Refusal, RefusalKind, Role, request::PaymentChoice};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use ordering::{
    card_payment::CardPayments,
    payment::{self, Payment},
    payment_request::PaymentRequest,
};
use store::Store;

/// `POST /orders/{orderId}/pay`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/pay",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Pays an order whose stock is reserved (결제)",
)
.idempotent_by_key()
.request_body::<PaymentRequest>()
.response::<events::Order>()
.successes(&[(200, "Paid"), (202, "Not paid yet: the gateway's result is not known; or, with `Retry-After`, the gateway is overloaded and was not called")])
.problems(&[
    RefusalKind::NotFound,
    RefusalKind::NotPayable,
    RefusalKind::InsufficientPoints,
    RefusalKind::TooManyAttempts,
    RefusalKind::KeyReused,
    RefusalKind::PaymentFailed,
]);

/// The `pay-order` handler.
pub fn function() -> Function {
    Function::http("pay-order", const { &[ROUTE.served()] }, handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    card_payments: CardPayments,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: env.open()?, card_payments: env.open()? })
    }
}

async fn handle(
    Resources { store, card_payments }: Resources,
    request: Request,
) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let payment_key = match PaymentRequest::choice(Some(request.json()?), "")? {
        PaymentChoice::Points => None,
        PaymentChoice::Card(Some(key)) => Some(key),
        PaymentChoice::Card(None) => {
            return Err(Refusal::field("paymentKey", "is required to pay by card").into());
        }
    };
    let key = request.idempotency_key()?;
    let payment = Payment { order_id, payment_key };
    Ok(Response::of(
        payment::pay(&store, &request.context(), &card_payments, key.as_ref(), &payment).await?,
    ))
}
