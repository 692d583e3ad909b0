//! The Lambda function `collect-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::collect_order::function())
}
