//! The Lambda function `get-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::get_order::function())
}
