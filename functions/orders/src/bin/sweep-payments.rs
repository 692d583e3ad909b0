//! The Lambda function `sweep-payments`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::sweep_payments::function())
}
