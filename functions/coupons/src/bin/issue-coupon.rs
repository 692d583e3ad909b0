//! The Lambda function `issue-coupon`.

fn main() -> Result<(), edge::Error> {
    edge::run(&coupons::issue_coupon::function())
}
