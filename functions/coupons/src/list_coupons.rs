//! `GET /customers/{customerId}/coupons` lists a customer's coupons (쿠폰함).

use domain::{
    CouponId, CustomerId, Failure, Role,
    coupon::{Coupon, CouponStatus},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store};

/// `GET /customers/{customerId}/coupons`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/customers/{customerId}/coupons",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists a customer's coupons (쿠폰함)",
)
.query(&[
    ("status", "only coupons in this status: ISSUED, USED or EXPIRED"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<CouponList>();

/// The `list-coupons` handler.
pub fn function() -> Function {
    Function::http("list-coupons", const { &[ROUTE.served()] }, handle)
}

/// A page of coupons.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CouponList {
    /// The coupons, by id.
    coupons: Vec<crate::Coupon>,
    /// The cursor of the next page, if there is one.
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
    // Whether a coupon has expired depends on the current time, so the status is filtered here and
    // not by the store. One coupon more than the page has is needed to know that there is a next
    // page.
    while found.len() <= usize::from(limit) {
        let part = store.coupons().list(&customer, &page).await?;
        let fits =
            |coupon: &Coupon| status.is_none_or(|status| coupon.status(request.now) == status);
        found.extend(part.entries.into_iter().filter(fits));
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    let has_more = found.len() > usize::from(limit);
    found.truncate(limit.into());
    let last = found.last().filter(|_| has_more).map(|coupon| coupon.coupon_id.to_string());
    let coupons =
        found.into_iter().map(|coupon| crate::Coupon::shown(coupon, request.now)).collect();
    Ok(Response::ok(&CouponList { coupons, next_cursor: Response::cursor(last.as_deref()) }))
}
