//! The Lambda function `list-coupons`.

fn main() -> Result<(), edge::Error> {
    edge::run(&coupons::list_coupons::function())
}
