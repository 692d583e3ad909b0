//! The Lambda function `pay-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::pay_order::function())
}
