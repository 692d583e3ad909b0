//! Coupons: what customers may take off an order, first come first served.
//!
//! This crate must never use a coupon or give one back: that is part of placing an order, or of calling one off.

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

/// A coupon as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coupon {
    /// Its id.
    coupon_id: CouponId,
    /// Where it comes from.
    source_id: CouponSourceId,
    /// The name customers read.
    name: String,
    /// What it takes off.
    #[serde(flatten)]
    discount: Discount,
    /// The least that an order must cost before the discount.
    minimum_order_amount: Won,
    /// Where it stands.
    status: CouponStatus,
    /// When it was issued.
    issued_at: Timestamp,
    /// Until when it can be used.
    expires_at: Timestamp,
    /// The order that uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    /// Since when it does.
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
