//! The Lambda function `list-source-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::list_source_orders::function())
}
