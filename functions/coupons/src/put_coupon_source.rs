//! `PUT /api/v1/admin/coupon-sources/{sourceId}` creates a coupon source or changes its terms
//! (쿠폰 발행 등록).
//!
//! A change applies only to coupons that are issued after it. The terms of an issued coupon never
//! change.

use domain::{
    CouponSourceId, Failure, Refusal, RefusalKind, Role, Timestamp, Won,
    coupon::{CouponSource, Discount, MAX_COUPONS, MAX_VALID_DAYS, Percent},
    number::WholeNumber,
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Display;
use store::{
    Store, Transaction,
    optimistic::{Attempted, OFTEN_CHANGED, optimistically},
};

const MAX_NAME: usize = 100;

/// `PUT /api/v1/admin/coupon-sources/{sourceId}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/coupon-sources/{sourceId}",
    Access::Roles(&[Role::Operator]),
    "Creates a coupon source or changes its terms (쿠폰 발행 등록)",
)
.request_body::<PutCouponSource>()
.response::<CouponSource>()
.problems(&[RefusalKind::QuantityBelowIssued]);

/// The `put-coupon-source` handler.
pub fn function() -> Function {
    Function::http("put-coupon-source", const { &[ROUTE.served()] }, handle)
}

/// The terms of a source. The discount is either `discountAmount`, or `discountRate` with
/// `maxDiscountAmount`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PutCouponSource {
    /// The name that customers see, 1 to 100 characters.
    name: String,
    /// A fixed discount, 1 to 10^12 won.
    discount_amount: Option<WholeNumber>,
    /// The discount as a share of the order, 1 to 100 %, rounded down to the won.
    discount_rate: Option<WholeNumber>,
    /// The maximum discount amount with `discountRate`, 1 to 10^12 won.
    max_discount_amount: Option<WholeNumber>,
    /// The minimum amount of an order before the discount, in won; 0 if omitted.
    minimum_order_amount: Option<WholeNumber>,
    /// The number of coupons, 1 to 10,000,000.
    quantity: WholeNumber,
    /// When issuing starts.
    issue_from: Timestamp,
    /// When issuing ends.
    issue_until: Timestamp,
    /// How long each coupon is valid after it is issued: 1 to 3,650 days.
    valid_days: WholeNumber,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let source_id: CouponSourceId = request.path("sourceId")?;
    let terms = request.json::<PutCouponSource>()?.into_source(source_id)?;
    let store = store.until(request.deadline);
    optimistically(OFTEN_CHANGED, || async {
        let known = store.coupons().source(&terms.source_id).await?;
        let (version, issued) = known.map_or((0, 0), |known| (known.version, known.source.issued));
        if terms.quantity < issued {
            return Err(Refusal::QuantityBelowIssued { issued }.into());
        }
        let source = CouponSource { issued, ..terms.clone() };
        // Another request changed the source, or more coupons were issued in the meantime: read
        // and decide again.
        let is_written = Transaction::default()
            .with(store.coupons().put_source(&source, version)?, ())
            .commit_if_unchanged(&store)
            .await?;
        Ok(Attempted::done_if(is_written, || Response::ok(&source)))
    })
    .await
}

impl PutCouponSource {
    fn into_source(self, source_id: CouponSourceId) -> Result<CouponSource, Refusal> {
        let discount = self.discount()?;
        if !(1..=MAX_NAME).contains(&self.name.chars().count()) {
            return Err(Refusal::field("name", format!("must be 1 to {MAX_NAME} characters")));
        }
        if self.issue_until <= self.issue_from {
            return Err(Refusal::field("issueUntil", "must be after issueFrom"));
        }
        let minimum = self
            .minimum_order_amount
            .map(|minimum| within("minimumOrderAmount", minimum, 0, Won::MAX.get()));
        Ok(CouponSource {
            source_id,
            name: self.name,
            discount,
            minimum_order_amount: won(
                "minimumOrderAmount",
                minimum.transpose()?.unwrap_or_default(),
            )?,
            quantity: within("quantity", self.quantity, 1, MAX_COUPONS)?,
            issued: 0,
            issue_from: self.issue_from,
            issue_until: self.issue_until,
            valid_days: within("validDays", self.valid_days, 1, MAX_VALID_DAYS)?,
        })
    }

    fn discount(&self) -> Result<Discount, Refusal> {
        match (self.discount_amount, self.discount_rate, self.max_discount_amount) {
            (Some(amount), None, None) => {
                let amount = within("discountAmount", amount, 1, Won::MAX.get())?;
                Ok(Discount::Amount { discount_amount: won("discountAmount", amount)? })
            }
            (None, Some(rate), Some(max)) => {
                let max = within("maxDiscountAmount", max, 1, Won::MAX.get())?;
                let rate = Percent::try_from(rate.0)
                    .map_err(|error| Refusal::field("discountRate", error))?;
                Ok(Discount::Rate {
                    discount_rate: rate,
                    max_discount_amount: won("maxDiscountAmount", max)?,
                })
            }
            (None, Some(_), None) => {
                Err(Refusal::field("maxDiscountAmount", "is required with discountRate"))
            }
            _ => Err(Refusal::field(
                "discountAmount",
                "is required without discountRate, and must not be combined with it or maxDiscountAmount",
            )),
        }
    }
}

fn within<T>(field: &str, number: WholeNumber, least: T, most: T) -> Result<T, Refusal>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    let number = T::try_from(number.0).ok().filter(|number| (&least..=&most).contains(&number));
    number.ok_or_else(|| Refusal::field(field, format!("must be {least} to {most}")))
}

fn won(field: &str, amount: i64) -> Result<Won, Refusal> {
    Won::new(amount).map_err(|error| Refusal::field(field, error))
}
