//! The Lambda function `cancel-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::cancel_order::function())
}
