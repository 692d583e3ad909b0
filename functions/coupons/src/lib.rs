//! Coupons: discounts on orders, issued first come, first served.
//!
//! This crate must never mark a coupon as used or unused: that is part of placing or cancelling an
//! order.

pub mod issue_coupon;
pub mod list_coupons;
pub mod put_coupon_source;

use domain::{
    CouponId, CouponSourceId, OrderId, Timestamp, Won,
    coupon::{self, CouponStatus, Discount},
};
use edge::Function;
use schemars::JsonSchema;
use serde::Serialize;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![put_coupon_source::function(), issue_coupon::function(), list_coupons::function()]
}

/// A coupon in a response.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coupon {
    /// The coupon's id.
    coupon_id: CouponId,
    /// The source that issued the coupon.
    source_id: CouponSourceId,
    /// The name that customers see.
    name: String,
    /// The discount.
    #[serde(flatten)]
    discount: Discount,
    /// The minimum amount of an order before the discount, in won.
    minimum_order_amount: Won,
    /// The coupon's status.
    status: CouponStatus,
    /// When the coupon was issued.
    issued_at: Timestamp,
    /// When the coupon expires.
    expires_at: Timestamp,
    /// The order that uses the coupon.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    /// When the order used the coupon.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<Timestamp>,
}

impl Coupon {
    fn shown(coupon: coupon::Coupon, now: Timestamp) -> Self {
        Self {
            status: coupon.status(now),
            coupon_id: coupon.coupon_id,
            source_id: coupon.source_id,
            name: coupon.name,
            discount: coupon.discount,
            minimum_order_amount: coupon.minimum_order_amount,
            issued_at: coupon.issued_at,
            expires_at: coupon.expires_at,
            order_id: coupon.used_by,
            used_at: coupon.used_at,
        }
    }
}
