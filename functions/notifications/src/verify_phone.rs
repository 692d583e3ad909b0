//! `POST /customers/{customerId}/phone-verification` shows that a customer's phone is theirs (휴대폰 인증): an empty body sends a code
//! by SMS, and the code in the body verifies the phone.

use crate::{Customer, notifier};
use domain::{CustomerId, Fault, grade::GradeThresholds, phone::MobileNumber};
use edge::{
    Access, Answer, Details, Environment, Function, Method, NotStarted, Problem, Rejected, Request, Role, Route,
};
use partners::notifiers::{self, Notifier, Way};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use store::{
    NotCommitted, Store,
    circuits::{self, Breaker},
    phones::{MAX_CODES, NotCounted},
};

/// `POST /customers/{customerId}/phone-verification`, for the customer.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/customers/{customerId}/phone-verification",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Sends a code to a customer's phone, or verifies the phone by it (휴대폰 인증)",
)
.takes::<VerifyPhone>()
.answers::<Customer>()
.succeeds(&[(200, "The phone is verified"), (202, "A code is on its way; it is valid for 5 minutes and 5 tries")])
.problems(&[
    (409, "no-phone", "the customer has no phone: PUT /customers/{customerId} sets one"),
    (409, "wrong-code", "the code is not the one that was sent last, or it is over, or it was tried too often"),
    (409, "too-many-codes", "the number had 5 codes today, or as many messages as it may have"),
]);

/// The function `verify-phone`.
pub fn function() -> Function {
    Function::http("verify-phone", &[ROUTE], Resources::open, handle)
}

/// A code, or the wish for one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct VerifyPhone {
    /// The 6 digits that were sent; without them a code is sent.
    code: Option<String>,
}

#[derive(Clone)]
struct Resources {
    store: Store,
    grades: GradeThresholds,
    notifier: Arc<dyn Notifier>,
    breaker: Breaker,
}

impl Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let crate::Resources { store, grades } = crate::Resources::open(env)?;
        let notifier = notifier::open(env)?;
        let breaker = Breaker::new(notifier.name(), circuits::thresholds(|name| env.variable(name))?);
        Ok(Self { store, grades, notifier, breaker })
    }
}

/// Why a phone is not verified, or no code is sent.
#[derive(Debug, thiserror::Error)]
pub enum VerifyRefusal {
    /// There is no phone.
    #[error("The customer has no phone. Set one first.")]
    NoPhone,
    /// The code is not the one that was sent.
    #[error("The code is wrong, or no longer valid. Ask for a new one.")]
    WrongCode,
    /// The number had too many codes.
    #[error("At most {MAX_CODES} codes are sent to a number in a day.")]
    TooManyCodes,
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for VerifyRefusal {
    fn details(&self) -> Details {
        match self {
            Self::NoPhone => Details::new(409, "no-phone"),
            Self::WrongCode => Details::new(409, "wrong-code"),
            Self::TooManyCodes => Details::new(409, "too-many-codes"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Answer, VerifyRefusal> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let VerifyPhone { code } = request.json_or_nothing()?;
    let store = resources.store.until(request.deadline);
    let profile = store.customer_profile(&customer).await?;
    let contact = profile.contact.clone().ok_or(VerifyRefusal::NoPhone)?;
    let phone = contact.phone.clone().ok_or(VerifyRefusal::NoPhone)?;
    let shown = |profile| Customer::of(customer.clone(), profile, resources.grades);
    match code {
        _ if contact.phone_verified => Ok(Answer::ok(&shown(profile))),
        Some(code) if store.try_code(&customer, &phone, &code, request.now).await? => {
            Ok(Answer::ok(&shown(store.customer_profile(&customer).await?)))
        }
        Some(_) => Err(VerifyRefusal::WrongCode),
        None => {
            send_code(&resources, &store, &customer, &phone, &request).await?;
            Ok(Answer::accepted(&shown(profile)))
        }
    }
}

async fn send_code(
    resources: &Resources,
    store: &Store,
    customer: &CustomerId,
    phone: &MobileNumber,
    request: &Request,
) -> Result<(), VerifyRefusal> {
    let pass = resources.breaker.admit(store).await.map_err(Fault::busy)?;
    let code = format!("{:06}", rand::random_range(0..1_000_000_u32));
    let kept = store.keep_code(customer, phone, &code, request.now)?;
    match kept.commit(store).await {
        Ok(()) => {}
        not_kept => {
            resources.breaker.release(store, pass).await;
            return match not_kept {
                Err(NotCommitted::Refused(refusals)) => {
                    let is_limit = refusals.iter().all(|refusal| refusal.because != NotCounted::Code);
                    Err(if is_limit { VerifyRefusal::TooManyCodes } else { Fault::busy("the code changed").into() })
                }
                Err(NotCommitted::Fault(fault)) => Err(fault.into()),
                Ok(()) => Ok(()),
            };
        }
    }
    let message = notifiers::Message {
        id: format!("code-{}", request.ulid()),
        to: phone.dialled(),
        text: format!("[주문] 인증번호 {code} (5분 안에 입력해 주세요)"),
        way: Way::Sms,
    };
    let sent = resources.notifier.send(&message, store.now()).await;
    let made = pass.made(store, !matches!(&sent, Err(why) if why.is_trouble()));
    resources.breaker.tell(store, made).await;
    sent.map_err(|unsent| Fault::busy(unsent).into())
}
