//! The Lambda function `expire-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::expire_orders::function())
}
