//! The Lambda function `place-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::place_order::function())
}
