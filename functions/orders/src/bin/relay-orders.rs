//! The Lambda function `relay-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::relay_orders::function())
}
