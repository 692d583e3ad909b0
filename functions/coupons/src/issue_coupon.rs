//! `POST /coupons/{sourceId}/issue` issues a coupon to a customer (쿠폰 발급): one to each, first come first served.
//!
//! Counting the coupon and writing it is one transaction, so never more are issued than there are. The coupon's id follows
//! from source and customer, so nobody draws two.

use domain::{CouponSourceId, CustomerId, Failure, Fault, Refusal, RefusalKind, Role, Timestamp};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{CommitError, Store, Transaction, coupons::IssuedCoupon};

/// How often the source is read anew when it changed in between.
const ATTEMPTS: usize = 8;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/coupons/{sourceId}/issue",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Issues a coupon to a customer, one to each (쿠폰 발급)",
)
.idempotent_by_key()
.request_body::<IssueCoupon>()
.response::<crate::Coupon>()
.problems(&[
    RefusalKind::NotFound,
    RefusalKind::CouponAlreadyIssued,
    RefusalKind::CouponNotOpen,
    RefusalKind::CouponSoldOut,
]);

/// The function.
pub fn function() -> Function {
    Function::http("issue-coupon", &[ROUTE], handle)
}

/// To whom a coupon is issued.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssueCoupon {
    /// Who gets it.
    #[serde(alias = "userId")]
    customer_id: CustomerId,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let source_id: CouponSourceId = request.path("sourceId")?;
    let IssueCoupon { customer_id } = request.json()?;
    request.caller.must_be(&customer_id)?;
    let key_hash = request.idempotency_key()?.map(|key| key.hash(&format!("{}/{customer_id}", request.caller.actor())));
    let store = store.until(request.deadline);
    for _ in 0..ATTEMPTS {
        let (source, drawn) = store.coupons().read_for_issue(&source_id, &customer_id).await?;
        if let Some(drawn) = drawn {
            return again(drawn, key_hash.as_ref());
        }
        let source = source.ok_or(Refusal::NotFound)?;
        let coupon = source.source.issue(&customer_id, request.now)?;
        let drawn = IssuedCoupon { coupon, key_hash: key_hash.clone() };
        let issue = Transaction::default()
            .with(store.coupons().count_issued(&source), ())
            .with(store.coupons().put(&customer_id, &drawn)?, ());
        match issue.commit(&store).await {
            Ok(()) => return Ok(Response::ok(&as_issued(drawn))),
            // The last one went, the terms changed, or the customer has one by now: look again.
            Err(CommitError::Failed(_)) => {}
            Err(CommitError::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::busy("the source changes faster than a coupon can be issued").into())
}

/// The first answer again, if this is the request that drew the coupon.
fn again(drawn: IssuedCoupon, key_hash: Option<&String>) -> Result<Response, Failure> {
    if key_hash.is_some() && drawn.key_hash.as_ref() == key_hash {
        Ok(Response::ok(&as_issued(drawn)).replayed())
    } else {
        Err(Refusal::CouponAlreadyIssued { coupon_id: drawn.coupon.coupon_id }.into())
    }
}

/// The coupon as it was when it was issued, whatever it was used for since.
fn as_issued(drawn: IssuedCoupon) -> crate::Coupon {
    let issued_at: Timestamp = drawn.coupon.issued_at;
    crate::Coupon::shown(domain::coupon::Coupon { used_by: None, used_at: None, ..drawn.coupon }, issued_at)
}
