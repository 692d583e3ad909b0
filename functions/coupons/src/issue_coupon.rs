//! `POST /coupons/{sourceId}/issue` issues a coupon to a customer (쿠폰 발급): one to each, first come first served.
//!
//! Counting the coupon and writing it is one transaction, so never more are issued than there are. The coupon's id follows
//! from source and customer, so nobody draws two.

use domain::{CouponId, CouponSourceId, CustomerId, Fault, Timestamp, coupon::NotIssued};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Role, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{NotCommitted, Store, Transaction, coupons::DrawnCoupon};

/// How often the source is read anew when it changed in between.
const ROUNDS: usize = 8;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/coupons/{sourceId}/issue",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Issues a coupon to a customer, one to each (쿠폰 발급)",
)
.idempotent_by_key()
.takes::<IssueCoupon>()
.answers::<crate::Coupon>()
.problems(&[
    (404, "not-found", "there is no such source"),
    (409, "coupon-already-issued", "the customer has one from this source already"),
    (409, "coupon-not-open", "it is too early or too late"),
    (409, "coupon-sold-out", "all are gone"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("issue-coupon", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// To whom a coupon is issued.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssueCoupon {
    /// Who gets it.
    #[serde(alias = "userId")]
    customer_id: CustomerId,
}

/// Why no coupon is issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueRefusal {
    /// The customer has one.
    #[error("The customer has coupon {0} from this source already.")]
    AlreadyIssued(CouponId),
    /// There is none now.
    #[error(transparent)]
    NotIssued(#[from] NotIssued),
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for IssueRefusal {
    fn details(&self) -> Details {
        match self {
            Self::AlreadyIssued(coupon) => Details::new(409, "coupon-already-issued").with("couponId", coupon),
            Self::NotIssued(NotIssued::NotOpen { from, until }) => {
                Details::new(409, "coupon-not-open").with("issueFrom", from).with("issueUntil", until)
            }
            Self::NotIssued(NotIssued::SoldOut) => Details::new(409, "coupon-sold-out"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, IssueRefusal> {
    let source_id: CouponSourceId = request.path("sourceId")?;
    let IssueCoupon { customer_id } = request.json()?;
    request.caller.must_be(&customer_id)?;
    let key_hash = request.idempotency_key()?.map(|key| key.hash(&format!("{}/{customer_id}", request.caller.actor())));
    let store = store.until(request.deadline);
    for _ in 0..ROUNDS {
        let (source, drawn) = store.before_issue(&source_id, &customer_id).await?;
        if let Some(drawn) = drawn {
            return again(drawn, key_hash.as_ref());
        }
        let source = source.ok_or(Rejected::NotFound)?;
        let coupon = source.source.issue(&customer_id, request.now)?;
        let drawn = DrawnCoupon { coupon, key_hash: key_hash.clone() };
        let issue = Transaction::default()
            .with(store.count_coupon(&source), ())
            .with(store.put_coupon(&customer_id, &drawn)?, ());
        match issue.commit(&store).await {
            Ok(()) => return Ok(Answer::ok(&as_issued(drawn))),
            // The last one went, the terms changed, or the customer has one by now: look again.
            Err(NotCommitted::Refused(_)) => {}
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::busy("the source changes faster than a coupon can be issued").into())
}

/// The first answer again, if this is the request that drew the coupon.
fn again(drawn: DrawnCoupon, key_hash: Option<&String>) -> Result<Answer, IssueRefusal> {
    if key_hash.is_some() && drawn.key_hash.as_ref() == key_hash {
        Ok(Answer::ok(&as_issued(drawn)).replayed())
    } else {
        Err(IssueRefusal::AlreadyIssued(drawn.coupon.coupon_id))
    }
}

/// The coupon as it was when it was issued, whatever it was used for since.
fn as_issued(drawn: DrawnCoupon) -> crate::Coupon {
    let issued_at: Timestamp = drawn.coupon.issued_at;
    crate::Coupon::shown(domain::coupon::Coupon { used_by: None, used_at: None, ..drawn.coupon }, issued_at)
}
