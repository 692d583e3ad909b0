//! `POST /customers/{customerId}/phone-verification` verifies that a phone number is the customer's
//! (휴대폰 인증). A request without a code sends one by SMS; a request with the code verifies the
//! number.

use crate::Customer;
use domain::{
    CustomerId, Failure, Fault, NotStarted, Open, Refusal, RefusalKind, Role,
    grade::GradeThresholds, phone::MobileNumber,
};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use partners::notifiers::{self, MessageType, Notifier};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use store::{
    CommitError, Store,
    circuits::Breaker,
    phones::{CodeCondition, MAX_CODES},
};

/// `POST /customers/{customerId}/phone-verification`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/customers/{customerId}/phone-verification",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Sends a code to a customer's phone, or verifies the number with it (휴대폰 인증)",
)
.request_body::<VerifyPhone>()
.response::<Customer>()
.successes(&[
    (200, "The phone number is verified"),
    (202, "A code was sent; it is valid for 5 minutes and 5 attempts"),
])
.problems(&[RefusalKind::NoPhone, RefusalKind::WrongCode, RefusalKind::TooManyCodes]);

/// The `verify-phone` handler.
pub fn function() -> Function {
    Function::http("verify-phone", const { &[ROUTE.served()] }, handle)
}

/// A verification code, or the request for one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct VerifyPhone {
    /// The 6 digits that were sent. If omitted, a code is sent.
    code: Option<String>,
}

#[derive(Clone)]
struct Resources {
    store: Store,
    grades: GradeThresholds,
    notifier: Arc<dyn Notifier>,
    breaker: Breaker,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let crate::Resources { store, grades } = env.open()?;
        let notifier = notifiers::open(env)?;
        let breaker = Breaker::new(notifier.name(), env.open()?);
        Ok(Self { store, grades, notifier, breaker })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let VerifyPhone { code } = request.json_or_nothing()?;
    let store = resources.store.until(request.deadline);
    let profile = store.customers().get(&customer).await?;
    let contact = profile.contact.clone().ok_or(Refusal::NoPhone)?;
    let phone = contact.phone.clone().ok_or(Refusal::NoPhone)?;
    let shown = |profile| Customer::of(customer.clone(), profile, resources.grades);
    match code {
        _ if contact.phone_verified => Ok(Response::ok(&shown(profile))),
        Some(code) if store.phones().try_code(&customer, &phone, &code, request.now).await? => {
            Ok(Response::ok(&shown(store.customers().get(&customer).await?)))
        }
        Some(_) => Err(Refusal::WrongCode.into()),
        None => {
            send_code(&resources, &store, &customer, &phone, &request).await?;
            Ok(Response::accepted(&shown(profile)))
        }
    }
}

async fn send_code(
    resources: &Resources,
    store: &Store,
    customer: &CustomerId,
    phone: &MobileNumber,
    request: &Request,
) -> Result<(), Failure> {
    let permit = resources.breaker.admit(store).await.map_err(Fault::busy)?;
    let code = format!("{:06}", rand::random_range(0..1_000_000_u32));
    let put = store.phones().put_code(customer, phone, &code, request.now)?;
    match put.commit(store).await {
        Ok(()) => {}
        outcome => {
            resources.breaker.release(store, permit).await;
            return match outcome {
                Err(CommitError::Failed(failed)) => {
                    let is_limit =
                        failed.iter().all(|failed| failed.condition != CodeCondition::Code);
                    Err(if is_limit {
                        Refusal::TooManyCodes { limit: MAX_CODES }.into()
                    } else {
                        Fault::busy("the code changed while it was stored").into()
                    })
                }
                Err(CommitError::Fault(fault)) => Err(fault.into()),
                Ok(()) => Ok(()),
            };
        }
    }
    let message = notifiers::Message {
        id: format!("code-{}", request.ids().ulid()),
        to: phone.dialled(),
        text: format!("[주문] 인증번호 {code} (5분 안에 입력해 주세요)"),
        message_type: MessageType::Sms,
    };
    let sent = resources.notifier.send(&message, store.now()).await;
    let call = permit.finish(store, !matches!(&sent, Err(why) if why.is_outage()));
    resources.breaker.record(store, call).await;
    sent.map_err(|unsent| Fault::busy(unsent).into())
}
