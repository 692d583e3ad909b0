//! The Lambda function `list-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::list_orders::function())
}
