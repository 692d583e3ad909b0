//! The Lambda function `settle-payments`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::settle_payments::function())
}
