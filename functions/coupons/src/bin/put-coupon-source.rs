//! The Lambda function `put-coupon-source`.

fn main() -> Result<(), edge::Error> {
    edge::run(&coupons::put_coupon_source::function())
}
