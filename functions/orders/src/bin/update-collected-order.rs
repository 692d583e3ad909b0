//! The Lambda function `update-collected-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::update_collected_order::function())
}
