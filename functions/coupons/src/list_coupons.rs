//! `GET /customers/{customerId}/coupons` lists a customer's coupons (쿠폰함).

use domain::{
    CouponId, CustomerId, Failure, Role,
    coupon::{Coupon, CouponStatus},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store};

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/customers/{customerId}/coupons",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists a customer's coupons (쿠폰함)",
)
.query(&[
    ("status", "ISSUED, USED or EXPIRED; all if left out"),
    ("limit", "how many at the most, 1 to 100 (20)"),
    ("cursor", "the `nextCursor` of the page before"),
])
.response::<CouponList>();

/// The function.
pub fn function() -> Function {
    Function::http("list-coupons", &[ROUTE], handle)
}

/// A page of coupons.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CouponList {
    /// The coupons, by id.
    coupons: Vec<crate::Coupon>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer)?;
    let status: Option<CouponStatus> = request.query("status")?;
    let (limit, after) = request.page::<CouponId>()?;
    let store = store.until(request.deadline);
    let mut page = PageRequest { limit, after: after.map(|coupon| coupon.to_string()) };
    let mut found: Vec<Coupon> = Vec::new();
    // The status of some follows from the time, so it is asked here and not of the store. One more than the page has tells that
    // more follow.
    while found.len() <= usize::from(limit) {
        let part = store.coupons().list(&customer, &page).await?;
        let fits = |coupon: &Coupon| status.is_none_or(|status| coupon.status(request.now) == status);
        found.extend(part.entries.into_iter().filter(fits));
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    let has_more = found.len() > usize::from(limit);
    found.truncate(limit.into());
    let last = found.last().filter(|_| has_more).map(|coupon| coupon.coupon_id.to_string());
    let coupons = found.into_iter().map(|coupon| crate::Coupon::shown(coupon, request.now)).collect();
    Ok(Response::ok(&CouponList { coupons, next_cursor: Response::cursor(last.as_deref()) }))
}
