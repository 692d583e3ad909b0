//! `POST /coupons/{sourceId}/issue` issues a coupon to a customer (쿠폰 발급): one per customer, first
//! come, first served.
//!
//! One transaction counts the coupon and writes it, so a source never issues more coupons than it
//! has. The coupon's id is derived from source and customer, so a customer gets one coupon at most.

use domain::{CouponSourceId, CustomerId, Failure, Refusal, RefusalKind, Role, Timestamp};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store, Transaction,
    coupons::IssuedCoupon,
    optimistic::{
        Attempted::{self, Done},
        OFTEN_CHANGED, optimistically,
    },
};

/// `POST /coupons/{sourceId}/issue`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/coupons/{sourceId}/issue",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Issues a coupon to a customer, one per customer (쿠폰 발급)",
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

/// The `issue-coupon` handler.
pub fn function() -> Function {
    Function::http("issue-coupon", const { &[ROUTE.served()] }, handle)
}

/// The recipient of a coupon.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssueCoupon {
    /// The customer's id.
    #[serde(alias = "userId")]
    customer_id: CustomerId,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let source_id: CouponSourceId = request.path("sourceId")?;
    let IssueCoupon { customer_id } = request.json()?;
    request.caller.must_be(&customer_id)?;
    let key_hash = request
        .idempotency_key()?
        .map(|key| key.hash(&format!("{}/{customer_id}", request.caller.key_owner())));
    let store = store.until(request.deadline);
    optimistically(OFTEN_CHANGED, || async {
        let (source, issued) = store.coupons().read_for_issue(&source_id, &customer_id).await?;
        if let Some(issued) = issued {
            return replay(issued, key_hash.as_ref()).map(Done);
        }
        let source = source.ok_or(Refusal::NotFound)?;
        let coupon = source.source.issue(&customer_id, request.now)?;
        let issued = IssuedCoupon { coupon, key_hash: key_hash.clone() };
        let issue = Transaction::default()
            .with(store.coupons().count_issued(&source), ())
            .with(store.coupons().put(&customer_id, &issued)?, ());
        // The last coupon was issued, the terms changed, or the customer got a coupon in the
        // meantime: read and decide again.
        let is_written = issue.commit_if_unchanged(&store).await?;
        Ok(Attempted::done_if(is_written, || Response::ok(&as_issued(issued))))
    })
    .await
}

/// The first response again, if this request repeats the one that issued the coupon.
fn replay(issued: IssuedCoupon, key_hash: Option<&String>) -> Result<Response, Failure> {
    if key_hash.is_some() && issued.key_hash.as_ref() == key_hash {
        Ok(Response::ok(&as_issued(issued)).replayed())
    } else {
        Err(Refusal::CouponAlreadyIssued { coupon_id: issued.coupon.coupon_id }.into())
    }
}

/// The coupon in the state in which it was issued, regardless of its use since then.
fn as_issued(issued: IssuedCoupon) -> crate::Coupon {
    let issued_at: Timestamp = issued.coupon.issued_at;
    crate::Coupon::shown(
        domain::coupon::Coupon { used_by: None, used_at: None, ..issued.coupon },
        issued_at,
    )
}
